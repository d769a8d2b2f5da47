#!/bin/bash
# In the list of tests if configure found no Check: fails, as the programs that need it were not
# built.
echo "configure found no Check (Debian: apt-get install check), so the test programs were not built"
exit 1
