// Package queries is the home of the SQL that Laminar runs, one statement per
// file, in a folder for each package that runs it, and of the views and
// functions that people use.
//
// Every file begins with its name and what it is for, its parameters, the index
// it relies on and the invariant it keeps. Names are unqualified: sessions have
// search_path set to the schema of Laminar's own tables. A name that is known
// only at run time has a stand-in; the folders' packages say which. A test of
// sqlstore prepares every file and holds the types of parameters and columns
// against testdata/queries/types.
package queries
