# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: probe, on a login node and in a job on a CPU and on a GPU node.

do_probe() {
    step probe-login 'facts of this login node (some minutes)' probe_node login
    if [ -n "$jobs" ]; then
        step probe-cpu 'facts of a CPU node' job probe_cpu
        step probe-gpu 'facts of a GPU node' job probe_gpu
    fi
    # it follows the other steps, so it is made again each time
    rm -f "$state/probe.done"
    step probe 'all facts in one file' probe_whole
}

inside_probe_cpu() { probe_node cpu; }
inside_probe_gpu() { probe_node gpu; }

# What takes long and is the same on each node is asked on the login node alone.
probe_node() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/pilot.XXXXXX") || give_up 'no temporary folder can be made'
    # it is in memory; dash does not run what is to be done at the exit when a signal ends it
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    facts_begin "$1"
    fact probe.date "$(date -u +%Y-%m-%d)"
    fact probe.release "$release"
    for group in system commands folders slurm partition; do say_group "$group"; "facts_of_$group"; done
    case $1 in login)
        for group in modules prgenvs libraries python easybuild; do say_group "$group"; "facts_of_$group"; done ;;
    esac
    case $1 in login|cpu) say_group mpi; facts_of_mpi ;; esac
    case $1 in gpu) say_group gpus; facts_of_gpus ;; esac
    facts_end
}

# In a job this goes to its output.
say_group() { say "   $1"; }

probe_whole() {
    head -n 1 "$facts/login.tsv" >"$output/probe.part" || give_up 'nothing was brought from the login node'
    for name in login cpu gpu; do
        [ ! -e "$facts/$name.tsv" ] || tail -n +2 "$facts/$name.tsv" >>"$output/probe.part"
    done
    mv "$output/probe.part" "$output/probe.tsv"
    say "   $output/probe.tsv: compare it with what was assumed by: lumi-eb pilot-facts $output/probe.tsv"
}
