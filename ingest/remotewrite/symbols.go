package remotewrite

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"
	mathbits "math/bits"

	"laminar/ingest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence/series"
)

// symbolTable is the strings of one remote write 2.0 message, which its series
// name by number. Each is hashed once per message, so a series that is known
// is found by mixing a few hashes and comparing its labels piece by piece,
// without putting them together.
//
// It shares memory with the message.
type symbolTable struct {
	body    []byte
	symbols []symbol
}

// symbol is body[start:end]. odd says that it holds 0xff: it is no text, and no
// key of a series can hold it.
type symbol struct {
	start, end uint32
	hash       uint64
	odd        bool
}

// read collects the symbols of a message, which may stand before, between and
// behind its series.
func (t *symbolTable) read(in *ingest.Intake, body []byte, seed maphash.Seed) error {
	t.adopt(in)
	t.body, t.symbols = body, t.symbols[:0]
	if int64(len(body)) > math.MaxUint32 {
		return fmt.Errorf("%w: %d bytes decompressed are more than 4 GiB", errTooLarge, len(body))
	}
	for i := 0; i < len(body); {
		field, wire, next, err := tag(body, i)
		if err != nil {
			return err
		}
		if field != 4 && field != 5 {
			if i, err = skip(body, next, wire); err != nil {
				return err
			}
			continue
		}
		if wire != wireBytes {
			return wrongWire("request", field, wire)
		}
		start, end, err := chunk(body, next)
		if err != nil {
			return err
		}
		if field == 4 {
			text := body[start:end]
			if len(t.symbols) == cap(t.symbols) {
				if t.symbols, err = room(in, t.symbols); err != nil {
					return err
				}
			}
			t.symbols = append(t.symbols, symbol{
				start: uint32(start), end: uint32(end),
				hash: maphash.Bytes(seed, text), odd: bytes.IndexByte(text, 0xff) >= 0,
			})
		}
		i = end
	}
	return nil
}

// release forgets the message and keeps memory that later ones can use.
func (t *symbolTable) release(in *ingest.Intake) {
	t.body = nil
	if freeList(in, t.symbols) && cap(t.symbols) > maxPooledSymbols {
		t.symbols = nil
	}
}

// adopt counts the memory that an earlier message has left.
func (t *symbolTable) adopt(in *ingest.Intake) {
	if n := listBytes(t.symbols, cap(t.symbols)); in != nil && n > freeScratch && in.Reserve(n) != nil {
		t.symbols = nil
	}
}

// maxPooledSymbols bounds the tables that are kept for later requests.
const maxPooledSymbols = 1 << 16

// text is the symbol with this number, which must be below t.len().
func (t *symbolTable) text(ref uint32) []byte {
	s := &t.symbols[ref]
	return t.body[s.start:s.end]
}

// hashOf is the hash of the symbol with this number, which must be below
// t.len().
func (t *symbolTable) hashOf(ref uint32) uint64 { return t.symbols[ref].hash }

func (t *symbolTable) len() int { return len(t.symbols) }

// has reports whether a number names a symbol. 0 stands for the empty string
// even in a message without symbols.
func (t *symbolTable) has(ref uint32) bool { return ref == 0 || int64(ref) < int64(len(t.symbols)) }

// mix is an odd number without pattern, the golden ratio's first 64 bits.
const mix = 0x9e3779b97f4a7c15

// hash mixes the hashes of the symbols that refs name, in their order. ok is
// false when one of them does not exist or holds 0xff.
func (t *symbolTable) hash(refs []uint32) (hash uint32, ok bool) {
	h := uint64(len(refs))
	for _, ref := range refs {
		if int64(ref) >= int64(len(t.symbols)) {
			return 0, false
		}
		s := &t.symbols[ref]
		if s.odd {
			return 0, false
		}
		hi, lo := mathbits.Mul64(h^s.hash, mix)
		h = hi ^ lo
	}
	return uint32(h >> 32), true
}

// spells reports whether key is the symbols that refs name, each with 0xff
// behind it. hash must have accepted refs.
func (t *symbolTable) spells(key string, refs []uint32) bool {
	for _, ref := range refs {
		s := &t.symbols[ref]
		n := int(s.end - s.start)
		if len(key) <= n || key[n] != 0xff || key[:n] != string(t.body[s.start:s.end]) {
			return false
		}
		key = key[n+1:]
	}
	return key == ""
}

// follow returns the spelling whose key is the symbols that refs name, nil when it
// is not known. prev is the spelling that came before in the message, nil at its
// beginning: what came behind it last time is looked at first. hash must have
// accepted refs; it says that there are such symbols.
func (t *symbolTable) follow(table *registry.Spellings, prev *registry.Spelling, refs []uint32, hash uint32) *registry.Spelling {
	if prev != nil {
		if sp := prev.Next(); sp != nil && sp.Hash() == hash && t.spells(sp.Key(), refs) {
			return sp
		}
	}
	for c := table.Candidates(hash); ; {
		sp := c.Next()
		if sp == nil {
			return nil
		}
		if t.spells(sp.Key(), refs) {
			prev.Precede(sp)
			return sp
		}
	}
}

// appendKey appends the key that spells compares with.
func (t *symbolTable) appendKey(dst []byte, refs []uint32) []byte {
	for _, ref := range refs {
		dst = append(append(dst, t.text(ref)...), 0xff)
	}
	return dst
}

// maxSpelled bounds the references that are looked at for a text for people.
const maxSpelled = 256

// spell writes the labels that refs name for people, as far as they name any.
func (t *symbolTable) spell(refs []uint32) string {
	var labels []series.RawLabel
	for i := 0; i+1 < min(len(refs), maxSpelled); i += 2 {
		if t.has(refs[i]) && t.has(refs[i+1]) && t.len() > 0 {
			labels = append(labels, series.RawLabel{Name: t.text(refs[i]), Value: t.text(refs[i+1])})
		}
	}
	return refusal.Spell(labels)
}

// appendLabels appends the labels that refs name in pairs, as many as are wanted.
// ok is false when the number of refs is odd or one names no symbol.
func (t *symbolTable) appendLabels(dst []series.RawLabel, refs []uint32, wanted int) (_ []series.RawLabel, ok bool) {
	if len(refs)%2 != 0 {
		return dst, false
	}
	for i := 0; i < len(refs); i += 2 {
		if int64(refs[i]) >= int64(len(t.symbols)) || int64(refs[i+1]) >= int64(len(t.symbols)) {
			return dst, false
		}
		if len(dst) == wanted {
			continue
		}
		dst = append(dst, series.RawLabel{Name: t.text(refs[i]), Value: t.text(refs[i+1])})
	}
	return dst, true
}
