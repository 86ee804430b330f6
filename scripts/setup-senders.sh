#!/usr/bin/env bash
# Makes sure that the senders and readers the tests run are in .tools/bin:
# prometheus, promtool, vmalert and vmagent of the distribution (unpacked, not
# installed), and a recent vmagent, built from its Go module.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

from_distribution prometheus prometheus
from_distribution promtool prometheus
from_distribution vmalert victoria-metrics
from_distribution vmagent victoria-metrics
build_tool vmagent github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent vmagent-1.150
