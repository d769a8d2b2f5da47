#!/bin/bash
# Stands in the list of tests where configure found no Check: without the programs that need it, nothing is proven.
echo "configure found no Check (Debian: apt-get install check), so the test programs were not built"
exit 1
