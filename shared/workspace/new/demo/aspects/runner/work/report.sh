#!/bin/sh
# One line for each customer: how many hours are written down, and whether they are billed.
for book in books/*.txt; do
    hours=$(awk '{sum += $2} END {print sum + 0}' "$book")
    open=$(grep -c ' open$' "$book")
    printf '%s: %s hours, %s entries not billed yet\n' "$(basename "$book" .txt)" "$hours" "$open"
done
