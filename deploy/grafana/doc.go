// Package grafana makes the dashboards that stand beside it as JSON, for people who run
// Grafana over Laminar. Its test writes the files and holds them to what a dashboard
// owes its readers; cmd/laminar/e2e asks every query of them of a running Laminar. No
// program imports it.
package grafana
