package settings

import (
	"slices"
	"strings"

	"laminar/flownode/nearest"
)

// DidYouMean is a suggestion at the end of a message, "" for none.
func DidYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// Alike spells names so that those that differ in dots, dashes, underscores and
// case only are the same.
func Alike(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(strings.TrimLeft(name, "-")))
}

// nearestSetting is the setting that was perhaps meant by a key that is none: one
// spelled as elsewhere, one of the same last word, or one with few letters
// changed. "" when there is none.
func nearestSetting(key string) string {
	keys := make([]string, len(table))
	for i, s := range table {
		keys[i] = s.key
	}
	for _, k := range keys {
		if Alike(k) == Alike(key) {
			return k
		}
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, k := range keys {
		if strings.HasSuffix(k, "."+last) {
			return k
		}
	}
	return nearest.Name(key, append(keys, "refills", "ingest.relabel"))
}

const variablePrefix = "LAMINAR_"

// nearestVariable is the variable that was perhaps meant, "" when none was.
func nearestVariable(name string) string {
	names := []string{"LAMINAR_CONFIG", "LAMINAR_PG_BIN"}
	for _, s := range table {
		names = append(names, s.env())
	}
	// The prefix is common to all: it must not make them near.
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = strings.TrimPrefix(n, variablePrefix)
	}
	if near := nearest.Name(strings.TrimPrefix(name, variablePrefix), short); near != "" {
		return variablePrefix + near
	}
	return ""
}

// otherVariables begin the names of variables that are no settings and mean
// something all the same, to the tests or to Compose.
var otherVariables = []string{
	"LAMINAR_CONFIG", "LAMINAR_PG_BIN", "LAMINAR_DB_PASSWORD", "LAMINAR_TEST_", "LAMINAR_TORTURE_", "LAMINAR_FAULT_", "LAMINAR_LOCALPG_",
}

// ofService reports whether Kubernetes sets a variable, for a service whose name
// begins with laminar: LAMINAR_WEB_SERVICE_HOST, LAMINAR_PORT_9201_TCP_ADDR. No
// setting has such a name.
func ofService(name string) bool {
	return strings.Contains(name, "_SERVICE_") || strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}

// Stray is a variable that looks like a setting and is none.
type Stray struct {
	Name string
	Near string // the one that was perhaps meant, "" when none was
}

// Strays are the stray variables of an environment (NAME=value), sorted.
func Strays(environ []string) []Stray {
	var stray []Stray
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || ofService(name) ||
			slices.ContainsFunc(otherVariables, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
			slices.ContainsFunc(table, func(s setting) bool { return s.env() == name }) {
			continue
		}
		stray = append(stray, Stray{Name: name, Near: nearestVariable(name)})
	}
	slices.SortFunc(stray, func(a, b Stray) int { return strings.Compare(a.Name, b.Name) })
	return stray
}
