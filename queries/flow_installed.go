package queries

// installedFlow are the views about flows, see Installed.
var installedFlow []string
