package faults

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes an authority that signs itself.
func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, a.key)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// pem is the authority's own certificate.
func (a *authority) pem() string { return pemOf("CERTIFICATE", a.cert.Raw) }

// leaf makes a certificate and its key for a name and addresses.
func (a *authority) leaf(name string, addresses ...string) (cert, key string) {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(mathrand.Int64()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	private := a.newKey()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pemOf("CERTIFICATE", a.sign(template, a.cert, private).Raw), pemOf("PRIVATE KEY", der)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// client trusts the authority and, with a certificate, shows it. Each request has a
// connection of its own, and so a handshake.
func (a *authority) client(cert, key string) *http.Client {
	a.t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	cfg.RootCAs.AddCert(a.cert)
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			a.t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Timeout: faultPatience, Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
}

// TestTLS: senders and the database are reached by TLS only, each side shows a
// certificate that the other verifies, and all of them are renewed, by another
// authority, while samples come in.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := faultDir(t)
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The private server's port is fixed, so its address is one of its own.
	host := fmt.Sprintf("127.%d.%d.%d", 64+mathrand.IntN(128), mathrand.IntN(256), 1+mathrand.IntN(250))
	other := fmt.Sprintf("127.%d.%d.%d", 192+mathrand.IntN(60), mathrand.IntN(256), 1+mathrand.IntN(250))
	p := newPostgres(t, map[string]string{"listen_addresses": host + "," + other})
	p.exec("create role sealed_in login password 'pw'", "create database ledger owner sealed_in")
	serverTLS := func(a *authority) {
		t.Helper()
		cert, key := a.leaf("postgres", host)
		for name, text := range map[string]string{"server.crt": cert, "server.key": key, "root.crt": a.pem()} {
			if err := writeAs(filepath.Join(p.cluster(), name), text, p.cluster()); err != nil {
				t.Fatal(err)
			}
		}
		p.exec("alter system set ssl = on", "alter system set ssl_ca_file = 'root.crt'", "select pg_reload_conf()")
	}
	hba := filepath.Join(p.cluster(), "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeAs(hba, string(rules)+"hostssl all sealed_in 127.0.0.0/8 scram-sha-256 clientcert=verify-full\n", p.cluster()); err != nil {
		t.Fatal(err)
	}
	one := newAuthority(t, "one")
	serverTLS(one)
	clientTLS := func(a *authority) (root, cert, key string) {
		cert, key = a.leaf("sealed_in")
		return file("db-root.crt", a.pem()), file("db.crt", cert), file("db.key", key)
	}
	root, cert, key := clientTLS(one)
	at := url.URL{Scheme: "postgres", User: url.UserPassword("sealed_in", "pw"), Host: host + ":5432", Path: "/ledger",
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {root}, "sslcert": {cert}, "sslkey": {key}}.Encode()}

	webCert, webKey := one.leaf("laminar", "127.0.0.1")
	file("web.crt", webCert)
	file("web.key", webKey)
	file("web-root.crt", one.pem())
	web := file("web.yml", "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n  client_ca_file: web-root.crt\n"+
		"  client_auth_type: RequireAndVerifyClientCert\n")
	in := laminartest.New(t, "--web.config.file", web, "--flows", faultFlows)
	in.URL = at.String()
	in.Begin()

	opts := fleet.DefaultOptions()
	opts.Instances, opts.Interval, opts.Late = 1, 10*time.Second, 0
	source := fleet.New(opts)
	sent := laminartest.NewAcknowledged(source.Series())
	now := time.Now().Add(-time.Hour)
	post := func(client *http.Client) error {
		t.Helper()
		now = now.Add(opts.Interval)
		points := source.Scrape(nil, now)
		body, err := fleet.Encode(source.Series(), points)
		if err != nil {
			t.Fatal(err)
		}
		laminartest.Until(t, faultPatience, "a scrape is acknowledged", func() bool {
			var resp *http.Response
			if resp, err = client.Post("https://"+in.Addr+"/api/v1/write", "application/x-protobuf", bytes.NewReader(body)); err != nil {
				return !strings.Contains(err.Error(), "connection refused") // it is starting
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err = nil; resp.StatusCode != http.StatusNoContent {
				err = fmt.Errorf("answered %s: %s", resp.Status, text)
			}
			return resp.StatusCode < 500
		})
		if err == nil {
			sent.Add(points)
		}
		return err
	}
	accepted := func(what string, client *http.Client) {
		t.Helper()
		if err := post(client); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A request would tell at times only that the connection is gone.
	refused := func(what, why string, client *http.Client) {
		t.Helper()
		cfg := client.Transport.(*http.Transport).TLSClientConfig.Clone()
		if pairs := cfg.Certificates; len(pairs) > 0 { // shown whomever the server asks for
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pairs[0], nil }
		}
		conn, err := tls.Dial("tcp", in.Addr, cfg)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v, want %q", what, err, why)
		}
	}
	sender := one.client(one.leaf("a sender"))
	accepted("a sender that is known", sender)
	refused("no certificate", "certificate required", one.client("", ""))
	two := newAuthority(t, "two")
	refused("a certificate of another authority", "unknown certificate authority", one.client(two.leaf("a sender")))
	refused("a server of another authority", "unknown authority", two.client(one.leaf("a sender")))
	plain, err := http.Get("http://" + in.Addr + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	if plain.Body.Close(); plain.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: answered %s", plain.Status)
	}
	elsewhere := at
	elsewhere.Host = other + ":5432"
	in.URL = elsewhere.String()
	in.WantFailure(t, laminartest.ExitFault, "is for another name", "status")
	in.URL = at.String()

	// Everything is renewed, the database's side first.
	serverTLS(two)
	clientTLS(two)
	p.exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sealed_in'")
	accepted("after the database's certificates", sender)
	file("web-root.crt", two.pem())
	file("web.key", "")
	webCert, webKey = two.leaf("laminar", "127.0.0.1")
	file("web.crt", webCert)
	file("web.key", webKey)
	sender = two.client(two.leaf("a sender"))
	accepted("after its own certificates", sender)
	refused("a certificate from before", "unknown certificate authority", two.client(one.leaf("a sender")))

	in.Must("flow", "wait", "--timeout", faultPatience.String())
	in.Must("verify")
	pool := in.Pool()
	laminartest.RequireRaw(t, pool, sent)
	var sessions, sealed int
	ctx, cancel := context.WithTimeout(t.Context(), faultPatience)
	defer cancel()
	err = pool.QueryRow(ctx, `select count(*), count(*) filter (where s.ssl and s.client_dn = '/CN=sealed_in')
		from pg_stat_activity a join pg_stat_ssl s using (pid) where a.usename = 'sealed_in'`).Scan(&sessions, &sealed)
	if err != nil || sessions < 2 || sealed != sessions {
		t.Errorf("%d of %d sessions are by TLS with the client's certificate (%v)", sealed, sessions, err)
	}
}
