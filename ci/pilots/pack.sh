# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: pack, one archive of the results, with the names of people, projects and nodes replaced.

do_pack() {
    # it follows the other steps, so it is made again each time
    rm -f "$state/pack.done"
    step pack 'results, with names replaced, in one archive' pack_results
}

pack_results() {
    packing=$output/lumi-hooks-pilot-results
    rm -rf "$packing" "$packing.tar.gz"
    mkdir -p "$packing" || give_up "$packing can't be made"
    count_and_bill
    for folder in facts results logs state; do mkdir "$packing/$folder" && cp "$output/$folder"/* "$packing/$folder/" 2>/dev/null; done
    mkdir "$packing/plans" "$packing/records" "$packing/jobs" "$packing/failed"
    cp "$results"/plans/* "$packing/plans/" 2>/dev/null
    cp "$jobdir"/*.out "$jobdir"/*.exit "$jobdir"/*.why "$packing/jobs/" 2>/dev/null
    [ ! -e "$output/probe.tsv" ] || cp "$output/probe.tsv" "$packing/"
    # what was installed, from what, changed why
    find "$prefix/SW" -path '*/easybuild/*' \( -name '*.eb' -o -name 'changes.md' -o -name 'lumi-hooks*.json' -o -name 'record*.json' \) \
        -size -512k 2>/dev/null | while read -r path; do
        cp "$path" "$packing/records/$(echo "${path#"$prefix/SW/"}" | tr / _)"
    done
    find "$prefix/.lumi-hooks/failed" -type f -size -4096k 2>/dev/null | while read -r path; do
        cp "$path" "$packing/failed/$(echo "${path#"$prefix/.lumi-hooks/failed/"}" | tr / _)"
    done
    find "$packing" -type d -empty -exec rmdir {} + 2>/dev/null
    replace_names || give_up 'the names could not be replaced: nothing is packed'
    left=$(names_left)
    [ -z "$left" ] || give_up "a name is still in $(echo "$left" | head -n 3 | tr '\n' ' '): nothing is packed"
    ( cd "$output" && find lumi-hooks-pilot-results -type f | sort >"$output/pack.list" &&
        tar -cf - --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -T "$output/pack.list" | gzip -n >"$packing.tar.gz.part" &&
        mv "$packing.tar.gz.part" "$packing.tar.gz" ) || give_up 'the archive could not be made'
    say "   in it, below $packing:"
    ( cd "$output" && while read -r path; do printf '%9d  %s\n' "$(wc -c <"$path")" "${path#*/}"; done <"$output/pack.list" ) >&3
    say "   $packing.tar.gz ($(du -k "$packing.tar.gz" | cut -f 1) KiB)"
    say '   Look through the folder before you send the archive: replaced are user, projects, nodes, mail and network addresses.'
}

# Files and folders of each part, and what the jobs took
count_and_bill() {
    for folder in SW modules sources ebfiles_repo .lumi-hooks; do
        [ -d "$prefix/$folder" ] || continue
        echo "$folder: $(find "$prefix/$folder" | wc -l) inodes, $(du -sk "$prefix/$folder" | cut -f 1) KiB"
    done >"$results/inodes.txt"
    [ -s "$output/jobs/submitted" ] || return 0
    limited 60 sacct -P -j "$(paste -s -d, "$output/jobs/submitted")" -o JobID,JobName,Partition,State,ExitCode,Elapsed,NNodes,AllocTRES,MaxRSS \
        >"$results/sacct.txt" 2>&1
}

# name<TAB>replacement, one a line: what is known, and what looks like it in the files, numbered in order
name_list() {
    me=$(id -un)
    printf '%s\tUSER\n' "$me"
    [ -z "${USER:-}" ] || [ "$USER" = "$me" ] || printf '%s\tUSER\n' "$USER"
    [ -z "${LOGNAME:-}" ] || [ "$LOGNAME" = "$me" ] || printf '%s\tUSER\n' "$LOGNAME"
    getent passwd "$me" 2>/dev/null | cut -d : -f 5 | cut -d , -f 1 | awk 'length > 2 { print $0 "\tUSER_NAME" }'
    printf '%s\tHOME\n' "$HOME"
    # what replaces a name is a valid name of the same kind
    { cat "$output/account.private" 2>/dev/null; id -Gn | tr ' ' '\n' | grep '^project_'; words 'project_[0-9][0-9]*'; } |
        sort -u | awk '{ print $0 "\tproject_" NR }'
    words '46[0-9]\{7\}' | sort -u | awk '{ print $0 "\tNUMBER_" NR }'
    { uname -n; uname -n | sed 's/\..*//'; cat "$jobdir"/hosts 2>/dev/null; words 'nid[0-9]\{6\}'; words 'uan[0-9]\{1,3\}'; } |
        sort -u | awk '{ print $0 "\tnode_" NR }'
    words 'nid\[[0-9,-]*\]' | sort -u | awk '{ print $0 "\tnodes_" NR }'
    { id -u; id -g; } | sort -u | awk 'length > 3 { print $0 "\tNUMBER_OF_USER" }'
    words '[A-Za-z0-9._%+-]*@[A-Za-z0-9.-]*\.[A-Za-z][A-Za-z]*' | grep -v -e 'lumi-supercomputer.eu$' -e 'easybuild' | sort -u |
        awk '{ print $0 "\tMAIL_" NR }'
    words '[0-9]\{1,3\}\.[0-9]\{1,3\}\.[0-9]\{1,3\}\.[0-9]\{1,3\}' | grep '^\(10\|172\|192\|193\|86\)\.' | sort -u | awk '{ print $0 "\tADDRESS_" NR }'
    words '/users/[A-Za-z0-9._-]*' | sort -u | awk -F / '{ print $3 "\tuser_" NR }'
}

words() { grep -rhoI -e "$1" "$packing" 2>/dev/null; }

replace_names() {
    # the longest first, as one may be in another; none that is a word of every text
    name_list | awk -F '\t' 'length($1) > 1 && !seen[$1]++ { print length($1) "\t" $0 }' | sort -rn | cut -f 2- |
        grep -v -e '^root	' -e '^localhost	' >"$output/names.private" || return 1
    find "$packing" -type f | while read -r path; do
        awk -f "$parts/names.awk" "$output/names.private" "$path" >"$path.new" && mv "$path.new" "$path" || exit 1
    done
}

# Files in which a name is left, as a word of its own
names_left() {
    cut -f 1 "$output/names.private" | while read -r name; do grep -rlwF -e "$name" "$packing"; done
    cut -f 1 "$output/names.private" | while read -r name; do find "$packing" -name "*$name*"; done
}
