#!/usr/bin/env bash
# Makes sure that the programs that Laminar is measured beside are in
# .tools/bin: prometheus and victoria-metrics of the distribution, unpacked and
# not installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"

from_distribution prometheus prometheus
from_distribution victoria-metrics victoria-metrics
