#!/bin/sh
# Makes a role for each program and its databases, which no other role can open. PostgreSQL's image runs
# this once, when its volume is new. A password is read by psql itself, so that no process list shows it.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"

psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres <<'SQL'
\set optuna_password `cat "$SECRETS/optuna_password"`
\set mlflow_password `cat "$SECRETS/mlflow_password"`
CREATE ROLE optuna LOGIN PASSWORD :'optuna_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE optuna OWNER optuna;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_users OWNER mlflow;
REVOKE ALL ON DATABASE optuna, mlflow, mlflow_users, postgres FROM PUBLIC;
SQL
