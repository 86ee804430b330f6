#!/usr/bin/env bash
# Makes sure that the senders and readers the tests run are in .tools/bin:
# prometheus, promtool, alertmanager, vmalert and vmagent of the distribution
# (unpacked, not installed), and a recent vmagent, built from its Go module.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "$0")/common.sh"
need_go

from_distribution prometheus prometheus
from_distribution promtool prometheus
from_distribution vmalert victoria-metrics
from_distribution vmagent victoria-metrics

# The program of the package reads its templates from where the package would have
# been installed. This copy reads them from beside, by a path of the same length.
from_distribution prometheus-alertmanager prometheus-alertmanager
share=$tools/deb/usr/share/prometheus
if [ ! -x "$share/alertmanager/program" ]; then
  LC_ALL=C sed 's|/usr/share/prometheus/alertmanager|./././././././././././alertmanager|g' "$tools/deb/usr/bin/prometheus-alertmanager" >"$share/alertmanager/program.new"
  chmod +x "$share/alertmanager/program.new"
  mv "$share/alertmanager/program.new" "$share/alertmanager/program"
fi
cat >"$tools/bin/alertmanager" <<'END'
#!/bin/sh
cd "$(dirname "$(readlink -f "$0")")/../deb/usr/share/prometheus" && exec ./alertmanager/program "$@"
END
chmod +x "$tools/bin/alertmanager"
build_tool vmagent github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent vmagent-1.150
