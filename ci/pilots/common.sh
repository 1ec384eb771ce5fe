# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot, which sets output, state, logs, release …: steps, progress, modules.
failed='' began_all=$(date +%s)

say() { printf '%s\n' "$*" >&3; }

# Both end a step: it failed, or it is not possible here. The reason is shown now and in the summary.
give_up() { printf '%s\n' "$*" >"$state/$current.why"; exit 1; }
cannot() { printf '%s\n' "$*" >"$state/$current.why"; exit 3; }

# step NAME WHAT FUNCTION…: in a subshell, with its output in a log, once: what is done is not repeated
step() {
    current=$1 what=$2
    shift 2
    if [ -e "$state/$current.done" ] && [ -z "$again" ]; then
        say "== $current: done before"
        return 0
    fi
    say "== $current: $what"
    rm -f "$state/$current.done" "$state/$current.failed" "$state/$current.not" "$state/$current.why"
    began=$(date +%s)
    ( "$@" ) >"$logs/$current.log" 2>&1 </dev/null
    code=$?
    took=$(($(date +%s) - began))
    why=$(head -n 1 "$state/$current.why" 2>/dev/null)
    case $code in
        0) printf '%s\n' "$took" >"$state/$current.done"
           say "   done in $took s" ;;
        3) printf '%s\n' "$why" >"$state/$current.not"
           say "   not possible here: $why" ;;
        *) [ -n "$why" ] || why=$(tail -n 1 "$logs/$current.log" | cut -c 1-200)
           printf '%s\n' "${why:-exit code $code}" >"$state/$current.failed"
           say "   failed after $took s: ${why:-exit code $code}"
           say "   log: $logs/$current.log" ;;
    esac
    rm -f "$state/$current.why"
    return $code
}

do_status() {
    for file in "$state"/*.done "$state"/*.not "$state"/*.failed; do
        [ -e "$file" ] || continue
        name=$(basename "$file")
        case $name in
            *.done) say "  done      ${name%.done} ($(cat "$file") s)" ;;
            *.not) say "  not here  ${name%.not}: $(cat "$file")" ;;
            *.failed) say "  failed    ${name%.failed}: $(cat "$file")"; failed=yes ;;
        esac
    done
    for file in "$jobdir"/*.job; do
        [ ! -e "$file" ] || [ -e "${file%.job}.exit" ] || say "  job       $(basename "${file%.job}"): $(cat "$file")"
    done
    [ -z "$failed" ]
}

summary() {
    say ''
    say "$step in $output, $(($(date +%s) - began_all)) s:"
    do_status && exit 0
    say 'Type the same command again to try what failed once more.'
    exit 1
}

interrupted() {
    trap '' INT TERM HUP
    rm -f "$state"/*.why
    say ''
    say 'Interrupted. What is done is kept, and the same command continues.'
    for file in "$jobdir"/*.job; do
        [ ! -e "$file" ] || [ -e "${file%.job}.exit" ] || say "Job $(cat "$file") goes on; scancel $(cat "$file") ends it."
    done
    exit 130
}

# limited SECONDS COMMAND…: not for longer than that. In the foreground, so that Ctrl-C reaches it.
limited() {
    seconds=$1
    shift
    timeout --foreground -k 5 "$seconds" "$@" </dev/null
}

# The modules, in this shell; what Lmod says goes where standard error goes.
load() {
    [ -n "${LMOD_CMD:-}" ] || return 1
    for module_name in "$@"; do
        lmod_text=$(limited 180 "$LMOD_CMD" sh load "$module_name") || return 1
        # variables alone: a POSIX shell has no functions with a hyphen in their names (EasyBuild-user's clear-eb)
        lmod_text=$(printf '%s\n' "$lmod_text" | awk '/^[^=]*\(\) *\{/ { inside = 1 } !inside; /^};?$/ { inside = 0 }')
        eval "$lmod_text" || return 1
    done
}

# What Lmod prints for people: lmod_says -t avail, lmod_says show rocm
lmod_says() {
    [ -n "${LMOD_CMD:-}" ] || return 1
    # it goes to standard error; standard output is for the shell
    { limited 180 "$LMOD_CMD" sh "$@" 3>&1 1>/dev/null 2>&3; }
}

# The stack as a user of lumi-hooks has it: partition C or G, its EasyBuild, our hooks, a prefix of the pilot's own.
enter_stack() {
    EBU_USER_PREFIX=$prefix
    export EBU_USER_PREFIX
    mkdir -p "$prefix"
    load "LUMI/$release" "partition/$1" EasyBuild-user || give_up "LUMI/$release partition/$1 EasyBuild-user can't be loaded"
    [ "${LUMI_STACK_PARTITION:-}" = "$1" ] || give_up "partition/$1 was loaded, and LUMI_STACK_PARTITION is ${LUMI_STACK_PARTITION:-not set}"
    # another EasyBuild than the stack's: for the tests
    if [ -n "${PILOT_EASYBUILD:-}" ]; then load "EasyBuild/$PILOT_EASYBUILD" || give_up "EasyBuild/$PILOT_EASYBUILD can't be loaded"; fi
    EASYBUILD_HOOKS=$root/lumi_hooks/hooks.py
    # sources that are there already, where downloads are not possible
    [ -z "${LUMI_HOOKS_SOURCES:-}" ] || EASYBUILD_SOURCEPATH=$EASYBUILD_SOURCEPATH:$LUMI_HOOKS_SOURCES
    export EASYBUILD_HOOKS EASYBUILD_SOURCEPATH
}

# Where the Cray PE lies below: nothing on LUMI, whose Cray PE is in /opt/cray
system_root() {
    case ${CRAYPE_DIR:-} in */opt/cray/pe/craype/*) printf '%s' "${CRAYPE_DIR%/opt/cray/pe/craype/*}" ;; esac
}

# Where LUMI's stack lies
stack_root() {
    case ${LMOD_PACKAGE_PATH:-} in
        */LUMI-SoftwareStack/LMOD*) found=${LMOD_PACKAGE_PATH%%/LUMI-SoftwareStack/LMOD*}; printf '%s' "${found##*:}" ;;
        *) printf '/appl/lumi' ;;
    esac
}
