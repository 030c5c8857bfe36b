#!/bin/sh
# Secrets come as files; MLflow and PostgreSQL's driver read them from the environment, where no
# command line and no process list shows them.
set -eu
secrets="${SECRETS:-/run/secrets}"

PGPASSWORD="$(cat "$secrets/mlflow_password")"
MLFLOW_AUTH_ADMIN_PASSWORD="$(cat "$secrets/mlflow_admin_password")"
MLFLOW_FLASK_SERVER_SECRET_KEY="$(cat "$secrets/mlflow_secret_key")"
export PGPASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY

exec "$@"
