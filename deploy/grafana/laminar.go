package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// of selects Laminar's own series of the processes that are chosen.
const of = `{job=~"$job", instance=~"$instance"}`

// laminar is the dashboard of Laminar itself, over the metrics that it shows at /metrics
// and that somebody scrapes and sends to it.
func laminar() (classic, error) {
	p := begin("laminar", "Laminar", "What a Laminar takes in, how far its flows are, and what it refuses; from its own /metrics.", "now-1h")
	for _, v := range []*dashboard.QueryVariableBuilder{
		choice("job", "Job", "The jobs under which Laminar is scraped.", "label_values(laminar_ingest_samples_total, job)"),
		choice("instance", "Process", "The processes of these jobs.", `label_values(laminar_ingest_samples_total{job=~"$job"}, instance)`),
	} {
		p.to.WithVariable(v.Multi(true).IncludeAll(true).AllValue(".*"))
	}

	p.figure(4, said{"Samples taken in", "Samples that were committed a second, dropped repeats included.", units.Short + "/s"}, 0,
		line{"sum(rate(laminar_ingest_samples_total" + of + "[$__rate_interval]))", ""})
	p.figure(4, said{"Largest lag", "How far the flow that is most behind is behind the database's clock. It includes the watermark delay of its definition and the time to the next window's end.", units.Seconds}, 300,
		line{"max(laminar_flow_lag_seconds" + of + ")", ""})
	p.figure(4, said{"Flows that stand still", "Flows that no round moves. `laminar flow list` says why.", units.Short}, 1,
		line{"sum(max by (flow) (laminar_flow_stalled" + of + "))", ""})
	p.figure(4, said{"Leaders", "Processes that keep flows up to date. It should be 1; with 0 nobody does.", units.Short}, 2,
		line{"sum(laminar_flow_leader" + of + ")", ""})
	p.figure(4, said{"Work that failed", "Scheduled work that failed in the last day: sealing, retention, removing series. The log says why.", units.Short}, 1,
		line{"sum(increase(laminar_maintenance_failures_total" + of + "[1d]))", ""})
	p.figure(4, said{"Retention held back", "1 while a step of retention waits for a person, who confirms it by `laminar retention apply`.", units.Short}, 1,
		line{"max(laminar_retention_held" + of + ")", ""})

	p.row("Ingest")
	p.chart(12, said{"Samples", "Samples committed a second, and which of them repeated the newest one (dropped) or came out of order.", units.Short + "/s"},
		line{"sum(rate(laminar_ingest_samples_total" + of + "[$__rate_interval]))", "committed"},
		line{"sum(rate(laminar_ingest_repeated_samples_total" + of + "[$__rate_interval]))", "repeated"},
		line{"sum(rate(laminar_ingest_unordered_samples_total" + of + "[$__rate_interval]))", "out of order"})
	p.chart(12, said{"Requests by answer", "Requests of senders a second, by HTTP status. 204 and 200 are success; 503 is back-pressure or a database out of reach, and senders come back.", units.RequestsPerSecond},
		line{"sum by (code) (rate(laminar_ingest_requests_total" + of + "[$__rate_interval]))", "{{code}}"})
	p.chart(8, said{"Time of a flush", "From naming the metrics of a flush to its commit. An acknowledgement waits for one.", units.Seconds},
		line{"histogram_quantile(0.5, sum by (le) (rate(laminar_ingest_flush_duration_seconds_bucket" + of + "[$__rate_interval])))", "median"},
		line{"histogram_quantile(0.99, sum by (le) (rate(laminar_ingest_flush_duration_seconds_bucket" + of + "[$__rate_interval])))", "99th percentile"})
	p.chart(8, said{"Flushes by outcome", "Flushes a second. Failed ones are tried again; unknown means that the connection broke at the commit, which is then looked up.", units.CountsPerSecond},
		line{"sum by (outcome) (rate(laminar_ingest_flushes_total" + of + "[$__rate_interval]))", "{{outcome}}"})
	p.chart(8, said{"Active series", "Series that are remembered, by process. Those silent for `ingest.series_idle` are forgotten.", units.Short},
		line{"laminar_ingest_active_series" + of, "{{instance}}"})

	p.row("Refusals")
	p.chart(12, said{"Samples refused for good", "Samples a second that will not be stored, by reason. `laminar status` and the log show an example of each.", units.Short + "/s"},
		line{"sum by (reason) (rate(laminar_ingest_rejected_samples_total" + of + "[$__rate_interval]))", "{{reason}}"})
	p.chart(12, said{"Requests not let in", "Requests a second with a wrong password or token, without a login, or without the scope.", units.RequestsPerSecond},
		line{"sum by (reason) (rate(laminar_http_refused_requests_total" + of + "[$__rate_interval]))", "{{reason}}"})

	p.row("Flows")
	p.chart(12, said{"Lag", "The database's clock less the watermark of a flow, less what its windows read beyond their end.", units.Seconds},
		line{"max by (flow) (laminar_flow_lag_seconds" + of + ")", "{{flow}}"})
	p.chart(12, said{"Commits behind", "Commits of ingest that a flow's tables do not show yet.", units.Short},
		line{"max by (flow) (laminar_flow_lag_sequences" + of + ")", "{{flow}}"})
	p.chart(8, said{"Rounds", "How long rounds take, from before the snapshot to after the commit, by fence group.", units.Seconds},
		line{"sum by (group) (rate(laminar_flow_round_duration_seconds_sum" + of + "[$__rate_interval])) / sum by (group) (rate(laminar_flow_round_duration_seconds_count" + of + "[$__rate_interval]))", "{{group}}"})
	p.chart(8, said{"Windows computed", "Windows a second: closed, provisional, computed again because of late samples, and refilled.", units.CountsPerSecond},
		line{"sum by (kind) (rate(laminar_flow_windows_total" + of + "[$__rate_interval]))", "{{kind}}"})
	p.chart(8, said{"Windows to be computed again", "Closed windows of which late samples arrived, by flow. It falls back to 0.", units.Short},
		line{"max by (flow) (laminar_flow_dirty_windows" + of + ")", "{{flow}}"})
	p.chart(12, said{"Read and written", "Raw samples read by rounds, and result rows inserted, changed or deleted, a second.", units.Short + "/s"},
		line{"sum(rate(laminar_flow_samples_read_total" + of + "[$__rate_interval]))", "samples read"},
		line{"sum(rate(laminar_flow_rows_written_total" + of + "[$__rate_interval]))", "rows written"})
	p.chart(12, said{"Computed again, by reason", "Pieces of state and windows that were computed again from raw samples, a second. `no_state` is the ordinary first time.", units.CountsPerSecond},
		line{"sum by (reason) (rate(laminar_flow_refills_total" + of + "[$__rate_interval])) > 0 or sum(rate(laminar_flow_refills_total" + of + "[$__rate_interval]))", "{{reason}}"})

	p.row("Memory")
	p.chart(12, said{"Resident memory", "Memory of each process as the operating system counts it.", units.BytesIEC},
		line{"process_resident_memory_bytes" + of, "{{instance}}"})
	p.chart(12, said{"What it is for", "State of flows, series that ingest remembers, requests under way, and samples and label sets of queries.", units.BytesIEC},
		line{"sum(laminar_flow_state_bytes" + of + ")", "state of flows"},
		line{"sum(laminar_ingest_series_bytes" + of + ")", "series"},
		line{"sum(laminar_ingest_buffer_bytes" + of + ")", "requests"},
		line{"sum(laminar_query_held_bytes" + of + ") + sum(laminar_query_label_bytes" + of + ")", "queries"})
	p.chart(12, said{"Processor time", "Cores that each process uses. PostgreSQL is not included.", units.Short},
		line{"rate(process_cpu_seconds_total" + of + "[$__rate_interval])", "{{instance}}"})
	p.chart(12, said{"State by flow", "Pane state in memory, by flow.", units.BytesIEC},
		line{"sum by (flow) (laminar_flow_state_bytes" + of + ")", "{{flow}}"})

	p.row("Queries")
	p.chart(12, said{"Requests", "Requests of the query API a second, by endpoint.", units.RequestsPerSecond},
		line{"sum by (endpoint) (rate(laminar_query_requests_total" + of + "[$__rate_interval]))", "{{endpoint}}"})
	p.chart(12, said{"Time of a request", "The 99th percentile, by endpoint, waiting included.", units.Seconds},
		line{"histogram_quantile(0.99, sum by (le, endpoint) (rate(laminar_query_request_seconds_bucket" + of + "[$__rate_interval])))", "{{endpoint}}"})
	p.chart(12, said{"Under way and waiting", "Queries that run, and those that wait until fewer do (`query.max_concurrent`).", units.Short},
		line{"sum(laminar_query_running" + of + ")", "running"},
		line{"sum(laminar_query_waiting" + of + ")", "waiting"})
	p.chart(12, said{"Samples read", "Samples that were read for queries, a second, and queries refused because too many were waiting.", units.Short + "/s"},
		line{"sum(rate(laminar_query_samples_read_total" + of + "[$__rate_interval]))", "samples read"},
		line{"sum(rate(laminar_query_refused_total" + of + "[$__rate_interval]))", "queries refused"})
	return p.built()
}
