# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT
#
# Reads what `gcov -b -c -t` prints, then tells of each file of core/ how many
# branches were taken, and which were not and are not named in the list of
# those that nobody has to take. A header's function stands in it once for
# each file that includes it: these are added up.
#
#   awk -v top=DIR -v allow=FILE -v limit=PERCENT -f coverage.awk

function blank(text) {
    gsub(/[ \t]+/, " ", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    return text
}

function bad(text) {
    print "coverage: " text
    failed = 1
}

# The list: one or more entries, then their reason on indented lines.
function read_list(   line, open) {
    while ((getline line < allow) > 0) {
        lines++
        if (line ~ /^#/ || line ~ /^[ \t]*$/) {
            continue
        }
        if (line ~ /^[ \t]/) {
            open = ""
            continue
        }
        open = blank(line)
        if (open in entry) {
            bad(allow ":" lines ": named twice: " open)
        }
        entry[open] = lines
    }
    close(allow)
    if (open != "") {
        bad(allow ": no reason follows: " open)
    }
}

BEGIN {
    read_list()
}

$0 ~ /^ *-: *0:Source:/ {
    file = $0
    sub(/^[^:]*:[^:]*:Source:/, "", file)
    ours = index(file, top "/core/") == 1
    file = substr(file, length(top) + 2)
    next
}

!ours {
    next
}

/^function / {
    name = $2
    next
}

/^branch / {
    id = at SUBSEP ordinal++
    if (!(id in seen)) {
        seen[id] = 1
        order[++count] = id
        where[id] = at
        of[id] = file
        key[id] = file ":" name ": " blank(text)
        said[id] = blank(text)
    }
    if ($3 == "taken" && $4 != "0") {
        taken[id] = 1
    }
    next
}

/^(call|unconditional|-----)/ {
    next
}

{
    rest = $0
    sub(/^[^:]*:/, "", rest)
    number = rest
    sub(/:.*/, "", number)
    sub(/^[^:]*:/, "", rest)
    text = rest
    at = file ":" number + 0
    ordinal = 0
    exists[file ":" name ": " blank(text)] = 1
}

END {
    if (count == 0) {
        bad("no branch of core/ was found")
        exit 1
    }
    for (i = 1; i <= count; i++) {
        id = order[i]
        f = of[id]
        if (!(f in all)) {
            names[++files] = f
        }
        all[f]++
        if (id in taken) {
            hit[f]++
            hits++
        } else if (key[id] in entry) {
            used[key[id]] = 1
            named++
        } else {
            missing[++misses] = where[id] ": " said[id]
        }
    }
    for (i = 1; i <= files; i++) {
        f = names[i]
        printf "%5.1f %%  %4d of %4d  %s\n", 100 * hit[f] / all[f],
            hit[f], all[f], f
    }
    for (i = 1; i <= misses; i++) {
        n = 1
        while (i < misses && missing[i + 1] == missing[i]) {
            n++
            i++
        }
        print "not taken: " missing[i] (n > 1 ? "  (" n " branches)" : "")
    }
    for (e in entry) {
        if (!(e in exists)) {
            bad(allow ":" entry[e] ": there is no such line: " e)
        } else if (!(e in used)) {
            print "taken after all, " allow ":" entry[e] ": " e
        }
    }
    percent = 100 * hits / count
    if (misses > 0) {
        bad(misses " branches were not taken and are not in " allow)
    }
    if (percent < limit) {
        bad(sprintf("below the limit of %s %%", limit))
    }
    printf "core/: %.2f %% of %d branches; %d not taken are named in %s\n",
        percent, count, named, allow
    exit failed
}
