#!/bin/bash
# A Slurm cluster of this one machine, without systemd and cgroups, as root.
#
#   tests/launchers/slurm/start.sh FOLDER   start it; FOLDER must not exist. Then: export SLURM_CONF=FOLDER/slurm.conf
#   tests/launchers/slurm/stop.sh FOLDER    stop it
#
# Needs Debian's packages slurm-wlm and munge. Nothing outside of FOLDER is written.
set -eu
folder=$1
for program in munged slurmctld slurmd sinfo; do
  command -v "$program" >/dev/null || { echo "$program is missing: apt-get install slurm-wlm munge" >&2; exit 3; }
done
[ "$(id -u)" = 0 ] || { echo "slurmd and slurmctld are started as root here" >&2; exit 3; }
mkdir "$folder"
folder=$(realpath "$folder")
mkdir "$folder"/{munge,state,spool}
chmod 711 "$folder" "$folder/munge"
trap 'code=$?; [ $code = 0 ] || { tail -n 20 "$folder"/*.log >&2; "$(dirname "$0")/stop.sh" "$folder"; }' EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

(umask 077; head -c 1024 /dev/urandom > "$folder/munge/key")
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --num-threads=2 \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge.log" --seed-file="$folder/munge/seed"

# All cores: nproc alone would count OMP_NUM_THREADS.
# A requeued job begins when its credentials have expired: 120 s unless told otherwise.
cat > "$folder/slurm.conf" <<CONF
ClusterName=siammae
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
PluginDir=$(dirname "$(find /usr/lib -name auth_munge.so -path '*slurm*' | head -n 1)")
PlugStackConfig=$folder/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,sched_min_interval=100000
JobRequeue=1
KillWait=5
InactiveLimit=0
ReturnToService=2
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=1000
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
touch "$folder/plugstack.conf"
export SLURM_CONF=$folder/slurm.conf
slurmctld -c
slurmd -c
for _ in $(seq 60); do
  [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && { echo "Slurm is up: export SLURM_CONF=$SLURM_CONF"; exit 0; }
  sleep 1
done
echo "Slurm did not come up within a minute" >&2
sinfo >&2 || true
exit 1
