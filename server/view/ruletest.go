package view

// TestedFile is what became of a unit-test file of rules.
type TestedFile struct {
	File   string `json:"file"`
	Passed bool   `json:"passed"`
	Tests  []Test `json:"tests"`
	// What is wrong with the file, or with its rule files; then no test was run.
	Errors []string `json:"errors,omitempty"`
}

// Test is what became of one test.
type Test struct {
	Name   string   `json:"name"`
	Passed bool     `json:"passed"`
	Errors []string `json:"errors,omitempty"`
}
