package promexpr

import (
	"fmt"
	"regexp/syntax"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"
)

// What one request may ask to be parsed. Parsing takes time that grows with the square of
// how deep an expression nests, and walking it a stack that grows with it; a repetition in
// a regular expression makes megabytes of a few bytes. Whoever may ask may ask so, and all
// this happens before a query waits for its turn.
const (
	mostParts  = 2000   // operators, parentheses, brackets and offsets of an expression
	mostRegexp = 20_000 // parts of a regular expression beyond its length, when repetitions and classes are written out
)

// Bounded is a parser for texts of strangers: it refuses what would take too long, or too
// much memory.
func Bounded(of parser.Parser) parser.Parser { return boundedParser{of} }

type boundedParser struct{ parser.Parser }

// ParseExpr implements parser.Parser.
func (p boundedParser) ParseExpr(input string) (parser.Expr, error) {
	if _, err := Parts(input); err != nil {
		return nil, err
	}
	return p.Parser.ParseExpr(input)
}

// ParseMetricSelector implements parser.Parser.
func (p boundedParser) ParseMetricSelector(input string) ([]*labels.Matcher, error) {
	if _, err := Parts(input); err != nil {
		return nil, err
	}
	return p.Parser.ParseMetricSelector(input)
}

// ParseMetricSelectors implements parser.Parser.
func (p boundedParser) ParseMetricSelectors(inputs []string) ([][]*labels.Matcher, error) {
	for _, input := range inputs {
		if _, err := Parts(input); err != nil {
			return nil, err
		}
	}
	return p.Parser.ParseMetricSelectors(inputs)
}

// Parts is how many operators, parentheses, brackets and offsets an expression has outside
// of selectors' braces: it cannot nest deeper. An error says that they are more than may be
// parsed, or that a regular expression is. What else is wrong with the text is for the
// parser to say.
func Parts(input string) (parts int, err error) {
	lexer := parser.Lex(input)
	braces := false
	for {
		var item parser.Item
		lexer.NextItem(&item)
		switch {
		case item.Typ == parser.EOF || item.Typ == parser.ERROR:
			return parts, nil
		case item.Typ == parser.LEFT_BRACE:
			braces = true
		case item.Typ == parser.RIGHT_BRACE:
			braces = false
		case item.Typ == parser.STRING:
			// Also where it is not certain that it is a regular expression: those of
			// label_replace are as any other text.
			if text, err := strutil.Unquote(item.Val); err == nil {
				if err := CheckRegexp(text); err != nil {
					return parts, err
				}
			}
		case !braces && (item.Typ == parser.LEFT_PAREN || item.Typ == parser.LEFT_BRACKET || item.Typ == parser.OFFSET || item.Typ.IsOperator()):
			if parts++; parts > mostParts {
				return parts, fmt.Errorf("the expression has more than %d operators and parentheses", mostParts)
			}
		}
	}
}

// CheckRegexp refuses a regular expression of which far more would be compiled than is
// written. Whether it is one at all is for others to say.
func CheckRegexp(text string) error {
	re, err := syntax.Parse(text, syntax.Perl|syntax.DotNL)
	if err == nil && writtenOut(re) > int64(len(text))+mostRegexp {
		return fmt.Errorf("a regular expression of %d bytes stands for one with %d parts, and may for %d more than its bytes: write smaller repetitions or fewer classes", len(text), writtenOut(re), mostRegexp)
	}
	return nil
}

// writtenOut is how many parts an expression has when its repetitions and classes are
// written out. The parser bounds its depth, and the product of nested repetitions by 1000.
func writtenOut(re *syntax.Regexp) int64 {
	size := 1 + int64(len(re.Rune))
	for _, sub := range re.Sub {
		size += writtenOut(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= int64(max(1, re.Min, re.Max))
	}
	return size
}
