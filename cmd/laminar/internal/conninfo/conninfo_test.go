package conninfo

import (
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestWithoutSecrets(t *testing.T) {
	for text, want := range map[string]struct {
		open    string
		secrets map[string]string
	}{
		"postgres://u:s%40cret@h:5/db?sslmode=disable":   {"postgres://u@h:5/db?sslmode=disable", map[string]string{"password": "s@cret"}},
		"postgres://h/db?password=x&user=u":              {"postgres://h/db?user=u", map[string]string{"password": "x"}},
		"postgresql://h/db?user=u&pass%77ord=a%26b":      {"postgresql://h/db?user=u", map[string]string{"password": "a&b"}},
		"postgres://u:p@h/db?sslpassword=TOP+SECRET":     {"postgres://u@h/db", map[string]string{"password": "p", "sslpassword": "TOP SECRET"}},
		"postgres://u:p@h":                               {"postgres://u@h", map[string]string{"password": "p"}},
		"postgres://u:@h/db":                             {"postgres://u@h/db", map[string]string{"password": ""}},
		`host=h user=u password='a b\'c' dbname=db`:      {"host='h' user='u' dbname='db'", map[string]string{"password": "a b'c"}},
		"host=h user=u password=plain dbname=db":         {"host='h' user='u' dbname='db'", map[string]string{"password": "plain"}},
		`host=h password=a\ b user=u dbname=db`:          {"host='h' user='u' dbname='db'", map[string]string{"password": "a b"}},
		`password = 'x' host = h sslpassword=\'\\`:       {"host='h'", map[string]string{"password": "x", "sslpassword": `'\`}},
		"host=h user=u dbname=db sslmode=disable port=1": {"host='h' user='u' dbname='db' sslmode='disable' port='1'", map[string]string{}},
		`host=h options='-c a=\'b c\'' password=x`:       {`host='h' options='-c a=\'b c\''`, map[string]string{"password": "x"}},
		"host=h password=":                               {"host='h'", map[string]string{"password": ""}},
	} {
		open, secrets, err := WithoutSecrets(text)
		if err != nil || open != want.open || !maps.Equal(secrets, want.secrets) {
			t.Errorf("%s is %q and %q (%v), want %q", text, open, secrets, err, want)
			continue
		}
		// What the driver makes of both is the same but for the secrets.
		before, err := pgconn.ParseConfig(strings.ReplaceAll(text, "sslpassword", "application_name"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		after, err := pgconn.ParseConfig(open)
		if err != nil {
			t.Errorf("%s: %v", open, err)
			continue
		}
		if after.Host != before.Host || after.Port != before.Port || after.User != before.User || after.Database != before.Database || before.Password != secrets["password"] {
			t.Errorf("%s: host %s, port %d, user %s, database %s, password %q are read from it", text, before.Host, before.Port, before.User, before.Database, before.Password)
		}
	}
	for _, text := range []string{"host", "host = ", "=x", "a='b", "host=h x"} {
		if open, _, err := WithoutSecrets(text); err == nil && text != "host = " {
			t.Errorf("%q is taken for %q", text, open)
		}
	}
}
