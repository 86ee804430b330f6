package queries

import _ "embed" // the variables below hold the files' texts

// Views and functions about flows, for people.
var (
	//go:embed function_flow_windows.sql
	FunctionFlowWindows string
	//go:embed view_window_state.sql
	ViewWindowState string
)

// installedFlow are the views about flows, see Installed.
var installedFlow = []string{FunctionFlowWindows, ViewWindowState}
