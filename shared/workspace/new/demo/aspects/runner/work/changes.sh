#!/bin/sh
# What was committed to the git directory `site` in the time that the input says; while there is none, what is in the books.
if [ ! -e site/.git ]; then
    echo "There is no git directory in work/site yet. The books say:"
    exec sh report.sh
fi
# A field of the input, which is JSON in one line.
field() { printf '%s' "$NEXUS_INPUT" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
since=$(field since) until=$(field until)
[ -n "$since" ] && [ -n "$until" ] || { echo "the input says neither since when nor until when" >&2; exit 1; }
changes=$(git -c safe.directory='*' -C site log --since="$since" --until="$until" --format='%s, by %an.') || exit 1
echo "${changes:-Nothing was committed on that day.}"
