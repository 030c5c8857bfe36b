#!/bin/bash
# A study on the nodes of a Slurm job: a Ray head, a node on every other machine, and the driver.
#   sbatch --nodes 4 deploy/slurm.sh my_study.yaml --storage postgresql+psycopg://optuna@db.example.org/optuna
# Sent again after the time limit, the same command goes on where it was.
#SBATCH --job-name=dropout-search
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

port=6379
cpus="${SLURM_CPUS_PER_TASK:?run by sbatch}"
head="$(hostname)"
others=$((SLURM_JOB_NUM_NODES - 1))

# A token of this job alone: without it whoever reaches the ports could run code.
umask 077
RAY_AUTH_TOKEN_PATH="$(mktemp "${SLURM_SUBMIT_DIR:?}/.ray-token-XXXXXX")"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH RAY_USAGE_STATS_ENABLED=0

driver=
leave() {
  [ -z "$driver" ] || { kill -TERM "$driver" && wait "$driver"; } 2>/dev/null || true
  ray stop >/dev/null 2>&1 || true
  rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap leave EXIT
trap 'exit 143' TERM # two minutes before the time limit: trials are released, checkpoints stay

ray start --head --port "$port" --num-cpus "$cpus" --include-dashboard=false --disable-usage-stats
if [ "$others" -gt 0 ]; then
  srun --nodes="$others" --ntasks="$others" --exclude="$head" \
    ray start --address "$head:$port" --num-cpus "$cpus" --block &
fi

pipeline run "$@" --engine ray --ray-address "$head:$port" --workers "$((cpus * SLURM_JOB_NUM_NODES))" &
driver=$!
status=0
wait "$driver" || status=$?
driver=
exit "$status"
