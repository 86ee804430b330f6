package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// source is one package, parsed and type-checked.
type source struct {
	name  string // import path below the module's
	fset  *token.FileSet
	files []*ast.File
	texts [][]byte // of files, in their order
	types *types.Package
	uses  map[*ast.Ident]types.Object
}

// listed is what go list says about a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, CgoFiles       []string
	DepOnly                 bool
	Module                  *struct{ Path string }
}

// load reads the packages that the patterns name, in go list's order. What they
// import comes from the compiler's export data, which go list makes where the
// build cache lacks it.
func load(dir string, patterns []string) ([]source, error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles,CgoFiles,DepOnly,Module"}, patterns...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	var own []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read the output of go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			own = append(own, p)
		}
	}
	fset := token.NewFileSet()
	compiled := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	var packages []source
	for _, p := range own {
		checked, err := check(p, fset, compiled)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", p.ImportPath, err)
		}
		packages = append(packages, checked)
	}
	return packages, nil
}

func check(p listed, fset *token.FileSet, compiled types.Importer) (source, error) {
	s := source{name: p.ImportPath, fset: fset, uses: map[*ast.Ident]types.Object{}}
	if p.Module != nil && p.ImportPath != p.Module.Path {
		s.name = strings.TrimPrefix(p.ImportPath, p.Module.Path+"/")
	}
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		path := filepath.Join(p.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return source{}, err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return source{}, err
		}
		s.files = append(s.files, file)
		s.texts = append(s.texts, text)
	}
	config := types.Config{Importer: compiled, FakeImportC: true}
	var err error
	s.types, err = config.Check(p.ImportPath, fset, s.files, &types.Info{Uses: s.uses})
	return s, err
}
