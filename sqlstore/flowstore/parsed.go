package flowstore

import (
	"sync"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
)

// definitions is definitions of flows that were parsed, for who reads them with every query:
// parsing one takes longer than reading it. It is safe for concurrent use.
type definitions struct {
	mu    sync.Mutex
	known map[progress.FlowID]parsed
}

// parsed is a definition, and the text of which it was made. It is not changed.
type parsed struct {
	text string
	def  flowdef.Flow
}

// mostParsed is how many definitions are kept. Beyond that all are forgotten.
const mostParsed = 10_000

// parse is defjson.Unmarshal of a flow's definition. It must not be changed.
func (d *definitions) parse(id progress.FlowID, text []byte) (flowdef.Flow, error) {
	d.mu.Lock()
	p, known := d.known[id]
	d.mu.Unlock()
	if known && p.text == string(text) {
		return p.def, nil
	}
	def, err := defjson.Unmarshal(text)
	if err != nil {
		return def, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostParsed {
		d.known = map[progress.FlowID]parsed{}
	}
	d.known[id] = parsed{string(text), def}
	return def, nil
}
