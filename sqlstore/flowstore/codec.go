package flowstore

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Values with any number of parts are stored as JSON: the ids of flushes by region,
// and static labels. Package raw spells vectors, because it compares them too.

// encodeFlushes is the ids as {"region": "uuid"}.
func encodeFlushes(m map[sequence.Region]sequence.FlushID) (string, error) {
	// A uuid writes itself as text, which people can read and compare with the
	// column of table flush.
	ids := make(map[sequence.Region]uuid.UUID, len(m))
	for r, id := range m {
		ids[r] = uuid.UUID(id)
	}
	doc, err := json.Marshal(ids)
	if err != nil {
		return "", fmt.Errorf("write flush ids: %w", err)
	}
	return string(doc), nil
}

// decodeFlushes reads what encodeFlushes writes.
func decodeFlushes(doc []byte) (map[sequence.Region]sequence.FlushID, error) {
	var ids map[sequence.Region]uuid.UUID
	if err := json.Unmarshal(doc, &ids); err != nil {
		return nil, fmt.Errorf("read flush ids %q: %w", doc, err)
	}
	m := make(map[sequence.Region]sequence.FlushID, len(ids))
	for r, id := range ids {
		m[r] = sequence.FlushID(id)
	}
	return m, nil
}

// encodeSources is what is known of sources, "" for none.
func encodeSources(sources []progress.Source) (string, error) {
	if len(sources) == 0 {
		return "", nil
	}
	doc, err := json.Marshal(sources)
	if err != nil {
		return "", fmt.Errorf("write sources: %w", err)
	}
	return string(doc), nil
}

// decodeSources reads what encodeSources writes.
func decodeSources(doc []byte) (sources []progress.Source, err error) {
	if err := json.Unmarshal(doc, &sources); err != nil {
		return nil, fmt.Errorf("read sources %q: %w", doc, err)
	}
	if len(sources) == 0 {
		return nil, nil
	}
	return sources, nil
}

// encodeStatic is static labels as {"name": "value"}, in the order of names.
func encodeStatic(labels []flowdef.Label) (string, error) {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	doc, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("write static labels: %w", err)
	}
	return string(doc), nil
}
