package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// measure is what the tool says about one package.
type measure struct {
	name            string
	lines, comments int
	types           []methodCount // most methods first
	references      int           // ordered pairs of files of which the first uses something of the second
	order           []string      // files, so that as few references as possible run back
	back            []reference   // those that do
}

// methodCount counts the methods that a package declares on a type, or in an
// interface. Those of embedded types are not among them.
type methodCount struct {
	name    string
	methods int
}

// reference says that file from uses what file to declares.
type reference struct {
	from, to string
	names    []string // what it uses, sorted
}

func measureOf(p source) measure {
	m := measure{name: p.name, types: methodsOf(p.types)}
	for _, text := range p.texts {
		m.lines += bytes.Count(text, []byte("\n"))
		m.comments += commentLines(text)
	}
	var names []string
	for _, file := range p.files {
		names = append(names, filepath.Base(p.fset.Position(file.Package).Filename))
	}
	used := usesBetween(p)
	refs := make([][]bool, len(names))
	for a := range used {
		refs[a] = make([]bool, len(names))
		for b, what := range used[a] {
			if len(what) > 0 {
				refs[a][b] = true
				m.references++
			}
		}
	}
	order := bestOrder(refs)
	for at, a := range order {
		m.order = append(m.order, names[a])
		for _, b := range order[:at] {
			if refs[a][b] {
				m.back = append(m.back, reference{names[a], names[b], sortedKeys(used[a][b])})
			}
		}
	}
	return m
}

// usesBetween collects what each file uses of each other file, by name:
// identifiers, methods and fields.
func usesBetween(p source) [][]map[string]bool {
	index := map[*token.File]int{}
	used := make([][]map[string]bool, len(p.files))
	for a, file := range p.files {
		index[p.fset.File(file.Package)] = a
		used[a] = make([]map[string]bool, len(p.files))
	}
	for a, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			object := p.uses[id]
			if object == nil || object.Pkg() != p.types || !object.Pos().IsValid() {
				return true
			}
			b, ok := index[p.fset.File(object.Pos())]
			if !ok || a == b {
				return true
			}
			if used[a][b] == nil {
				used[a][b] = map[string]bool{}
			}
			used[a][b][object.Name()] = true
			return true
		})
	}
	return used
}

func methodsOf(p *types.Package) []methodCount {
	var counts []methodCount
	for _, name := range p.Scope().Names() {
		declared, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok || declared.IsAlias() {
			continue
		}
		named, ok := declared.Type().(*types.Named)
		if !ok {
			continue
		}
		methods := named.NumMethods()
		if i, ok := named.Underlying().(*types.Interface); ok {
			methods = i.NumExplicitMethods()
		}
		if methods > 0 {
			counts = append(counts, methodCount{name, methods})
		}
	}
	slices.SortStableFunc(counts, func(a, b methodCount) int { return b.methods - a.methods })
	return counts
}

// commentLines counts the lines that hold a comment and nothing else.
func commentLines(text []byte) int {
	fset := token.NewFileSet()
	file := fset.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	comment, code := map[int]bool{}, map[int]bool{}
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			break
		}
		if kind == token.SEMICOLON && literal == "\n" {
			continue // put in by the scanner
		}
		lines := code
		if kind == token.COMMENT {
			lines = comment
		}
		first := file.Line(pos)
		for line := first; line <= first+strings.Count(literal, "\n"); line++ {
			lines[line] = true
		}
	}
	count := 0
	for line := range comment {
		if !code[line] {
			count++
		}
	}
	return count
}

func (m measure) largest() string {
	if len(m.types) == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %d", m.types[0].name, m.types[0].methods)
}

func (m measure) percentBack() float64 {
	if m.references == 0 {
		return 0
	}
	return 100 * float64(len(m.back)) / float64(m.references)
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
