#!/bin/sh
# A virus scanner that goes by what a text says: it takes its time for some, and finds something in others.
grep -aq 'slow to scan' "$1" && sleep 4
if grep -aq 'with a threat' "$1"; then
  echo "$1: Scenario.Threat FOUND"
  exit 1
fi
exit 0
