#!/bin/sh
# What was committed since yesterday to the git directory `site`; while there is none, what is in the books.
if [ ! -e site/.git ]; then
    echo "There is no git directory in work/site yet. The books say:"
    exec sh report.sh
fi
changes=$(git -c safe.directory='*' -C site log --since=yesterday --date=short --format='%s, by %an on %ad.') || exit 1
echo "${changes:-Nothing was committed since yesterday.}"
