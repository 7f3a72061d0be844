#!/bin/sh
# Says as JSON whose work this is, and gives back what came with it.
input=$(cat)
printf '{"dispatch": "%s", "input": %s}\n' "$NEXUS_DISPATCH" "${input:-null}"
