# SPDX-License-Identifier: GPL-2.0-only
# awk -f names.awk NAMES FILE: the file, with names replaced (name, tab, replacement; one a line, the longest first).
# A name is one where no letter, digit or underscore is next to it. What looks like a secret is taken out.
BEGIN { FS = "\t" }
NR == FNR { name[++count] = $1; by[count] = $2; next }
{
    line = $0
    for (n = 1; n <= count; n++) {
        if (!index(line, name[n])) continue
        done = ""
        while ((at = index(line, name[n])) > 0) {
            # what was done already stands before
            before = at > 1 ? substr(line, at - 1, 1) : substr(done, length(done), 1)
            after = substr(line, at + length(name[n]), 1)
            whole = (before !~ /[A-Za-z0-9_]/ || name[n] ~ /^\//) && after !~ /[A-Za-z0-9_]/
            # in facts a line end is written \n, and a tab \t
            if (!whole && (before == "n" || before == "t") && after !~ /[A-Za-z0-9_]/)
                whole = (at > 2 ? substr(line, at - 2, 1) : substr(done, length(done) - 1, 1)) == "\\"
            done = done substr(line, 1, at - 1) (whole ? by[n] : name[n])
            line = substr(line, at + length(name[n]))
        }
        line = done line
    }
    if (match(line, /[A-Za-z0-9_]*(TOKEN|SECRET|PASSW|PASSPHRASE|API_KEY|ACCESS_KEY)[A-Za-z0-9_]*["']? *[=:]/))
        line = substr(line, 1, RSTART + RLENGTH - 1) " (taken out)"
    print line
}
