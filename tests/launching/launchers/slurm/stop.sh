#!/bin/bash
# Stop what tests/launchers/slurm/start.sh FOLDER started.
folder=$1
for pid in "$folder/slurmctld.pid" "$folder/slurmd.pid" "$folder/munge/pid"; do
  [ -s "$pid" ] && kill "$(cat "$pid")" 2>/dev/null
done
for _ in $(seq 20); do
  alive=
  for pid in "$folder/slurmctld.pid" "$folder/slurmd.pid" "$folder/munge/pid"; do
    [ -s "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null && alive=yes
  done
  [ -z "$alive" ] && exit 0
  sleep 0.5
done
echo "some of Slurm's daemons in $folder are still running" >&2
exit 1
