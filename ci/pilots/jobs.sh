# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: what jobs cost, submitting them, waiting for them.

# step, name, kind, nodes, minutes: what is asked of Slurm
job_list() {
    cat <<TEXT
probe probe_cpu cpu 1 10
probe probe_gpu gpu 1 10
cpu run_cpu cpu $nodes 15
packed run_packed cpu 1 10
gpu run_gpu gpu $nodes 15
fabric run_fabric cpu $nodes 10
flagship run_flagship cpu 1 30
TEXT
}

# Finds the project, shows what the jobs may cost, and asks.
agree_on_jobs() {
    [ "$step" != plan ] || return 0
    if ! command -v sbatch >/dev/null 2>&1; then
        say 'There is no Slurm here: only what this node can tell (as --no-jobs).'
        jobs=''
        return 0
    fi
    if [ -z "$account" ]; then
        account=$(id -Gn | tr ' ' '\n' | grep '^project_[0-9]*$' | sort -u)
        case $(printf '%s\n' "$account" | grep -c .) in
            1) ;;
            0) echo 'ci/pilot: name the project that pays for the jobs with --account, or add --no-jobs' >&2; return 1 ;;
            *) echo "ci/pilot: you have several projects: name one with --account ($(echo "$account" | tr '\n' ' '))" >&2
               return 1 ;;
        esac
    fi
    # for pack, which replaces it, and may be started without it
    echo "$account" >"$output/account.private"
    say 'Jobs, and the most that they can be billed for (their time limits; most end in a fifth of that):'
    # a GPU node is eight GPUs, and is billed by the GPU
    job_list | awk -v step="$step" -v cpu="$partition_cpu" -v gpu="$partition_gpu" -v gpus="$gpus" '
        step == $1 || step == "all" && $1 != "fabric" && $1 != "flagship" {
            hours = $4 * $5 / 60
            if ($3 == "gpu") hours = hours * (gpus > 0 ? gpus : 8) / 8
            total += hours
            printf "  %-10s %-9s %d node%s %2d minutes  %.2f node-hours\n", $2, ($3 == "gpu" ? gpu : cpu), $4,
                   ($4 > 1 ? "s," : ", "), $5, hours
        }
        END { printf "  in all at most %.2f node-hours\n", total }' >&3
    [ -z "$yes" ] || return 0
    [ -t 0 ] || { echo 'ci/pilot: no terminal to ask on: add --yes to submit the jobs, or --no-jobs' >&2; return 1; }
    printf 'Submit them for %s when their turn comes? [y/N] ' "$account" >&3
    read -r answer || answer=''
    case $answer in [yY]|[yY][eE][sS]) return 0 ;; esac
    say 'No job is submitted (as --no-jobs).'
    jobs=''
}

# job NAME: submits it, or finds the one that was submitted before, and waits; its output is jobs/NAME.out
job() {
    job=$jobdir/$1
    [ -n "$jobs" ] || cannot 'it takes a job, and none is to be submitted (--no-jobs)'
    # one that ended is repeated only where it failed, or where that is asked for
    if [ -e "$job.exit" ] && { [ -n "$again" ] || [ "$(cat "$job.exit")" != 0 ]; }; then rm -f "$job".*; fi
    [ -e "$job.job" ] || submit "$1"
    id=$(cat "$job.job")
    last='' round=0
    while [ ! -e "$job.exit" ]; do
        seen=$(limited 60 squeue -h -j "$id" -o '%T, %r' 2>/dev/null)
        [ -n "$seen" ] || break
        [ "$seen" = "$last" ] || say "   job $id: $seen ($(($(date +%s) - began)) s)"
        last=$seen round=$((round + 1))
        if [ $round -le 30 ]; then sleep 1; else sleep 10; fi
    done
    # a file that another node wrote may take a moment to be seen
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e "$job.exit" ] || sleep 1; done
    cat "$job.out" 2>/dev/null
    if [ ! -e "$job.exit" ]; then
        ended=$(limited 30 sacct -n -X -P -j "$id" -o State 2>/dev/null | head -n 1)
        mv "$job.job" "$job.lost"
        give_up "job $id ended without a result${ended:+ ($ended)}: see $job.out"
    fi
    code=$(cat "$job.exit")
    [ "$code" != 3 ] || cannot "$(head -n 1 "$job.why" 2>/dev/null)"
    [ "$code" = 0 ] || give_up "$(head -n 1 "$job.why" 2>/dev/null || echo "the job's exit code is $code: see $job.out")"
}

submit() {
    # shellcheck disable=SC2046  # fields, to be split
    set -- $(job_list | awk -v name="$1" '$2 == name')
    name=$2 kind=$3 count=$4 minutes=$5 tasks=1 where=$partition_cpu
    cat >"$jobdir/$name.sh" <<TEXT
#!/bin/sh
sh '$root/ci/pilot' --inside $name --output '$output' --release $release --nodes $nodes --gpus $gpus
code=\$?
echo \$code >'$jobdir/$name.exit.part' && mv '$jobdir/$name.exit.part' '$jobdir/$name.exit'
exit \$code
TEXT
    # two ranks, whether on one node or on two
    [ "$count" != 1 ] || tasks=2
    [ "$kind" != gpu ] || where=$partition_gpu
    set -- --parsable --account="$account" --partition="$where" --nodes="$count" --time="$minutes" \
        --ntasks-per-node="$tasks" --job-name="pilot-$name" --output="$jobdir/$name.out" --chdir="$output"
    if [ "$kind" = gpu ] && [ "$gpus" != 0 ]; then set -- "$@" --gpus-per-node="$gpus"; fi
    if ! id=$(limited 120 sbatch "$@" "$jobdir/$name.sh" 2>"$jobdir/$name.refused"); then
        give_up "sbatch does not take the job $name: $(tail -n 1 "$jobdir/$name.refused")"
    fi
    rm -f "$jobdir/$name.refused"
    id=${id%%;*}
    echo "$id" >"$jobdir/$name.job.part" && mv "$jobdir/$name.job.part" "$jobdir/$name.job"
    echo "$id" >>"$jobdir/submitted"
    say "   job $id: submitted to $where"
}
