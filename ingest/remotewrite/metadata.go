package remotewrite

import (
	"hash/maphash"

	"laminar/ingest"
	"laminar/ingest/metadata"
)

// metadataV1 is a MetricMetadata message of remote write 1.0. It shares memory
// with the message.
type metadataV1 struct {
	kind               int32 // as prometheus.MetricMetadata numbers types
	family, help, unit []byte
}

func (m *metadataV1) read(msg []byte) error {
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		switch field {
		case 1:
			if wire != wireVarint {
				return wrongWire("metadata", field, wire)
			}
			var v uint64
			if v, i, err = uvarint(msg, next); err != nil {
				return err
			}
			m.kind = int32(v)
		case 2, 4, 5: // family, help, unit
			if wire != wireBytes {
				return wrongWire("metadata", field, wire)
			}
			start, end, err := chunk(msg, next)
			if err != nil {
				return err
			}
			switch part := msg[start:end]; field {
			case 2:
				m.family = part
			case 4:
				m.help = part
			case 5:
				m.unit = part
			}
			i = end
		default:
			if i, err = skip(msg, next, wire); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe passes it on.
func (m *metadataV1) describe(in *ingest.Intake) {
	seed := in.Seed()
	hash := metadata.Hash(m.kind, maphash.Bytes(seed, m.help), maphash.Bytes(seed, m.unit))
	in.Describe(nil, string(m.family), hash, m.kind, m.help, m.unit)
}
