# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: the format of facts, which lumi_hooks/pilot/probe.py reads. A line a fact: key, tab, value.
# In a value a backslash, a tab and a line end are written \\, \t and \n; other control characters are left out, and
# bytes beyond ASCII become question marks. The first line names the format, "section" begins a kind of node, "end"
# closes it with the number of its facts.
FACTS_FORMAT=1 FACT_BYTES=200000

escaped() {
    # sed for the backslashes: what \\ is in a replacement differs from awk to awk
    head -c $FACT_BYTES | tr '\200-\377' '?' | tr -d '\000-\010\013-\037\177' | sed 's/\\/\\\\/g' |
        awk 'BEGIN { ORS = "" } { gsub(/\t/, "\\t"); print (NR > 1 ? "\\n" : "") $0 }'
}

# fact KEY VALUE, or: … | fact KEY
fact() {
    fact_key=$1
    if [ $# -gt 1 ]; then fact_text=$(printf '%s\n' "$2" | escaped); else fact_text=$(escaped); fi
    printf '%s\t%s\n' "$fact_key" "$fact_text" >>"$fact_file"
}

# fact_of KEY SECONDS COMMAND…: what it prints, and KEY.exit; a command that is not there has neither
fact_of() {
    fact_of_key=$1 fact_of_limit=$2
    shift 2
    command -v "$1" >/dev/null 2>&1 || return 0
    fact_of_text=$(limited "$fact_of_limit" "$@" 2>&1)
    fact_of_code=$?
    fact "$fact_of_key" "$fact_of_text"
    fact "$fact_of_key.exit" "$fact_of_code"
}

# facts_begin SECTION, facts_end: a file of one section, which is there when it is whole
facts_begin() {
    fact_section=$1 fact_file=$facts/$1.part
    rm -f "$fact_file"
    printf 'lumi-hooks-probe\t%s\nsection\t%s\n' "$FACTS_FORMAT" "$1" >"$fact_file" || give_up "$facts can't be written"
}
facts_end() {
    printf 'end\t%s\n' "$(($(wc -l <"$fact_file") - 2))" >>"$fact_file" && mv "$fact_file" "$facts/$fact_section.tsv"
}
