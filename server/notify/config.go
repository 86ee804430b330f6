package notify

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// Config says whom to tell, of what and how often. It is not changed while a Sender
// has it.
type Config struct {
	Alertmanagers  []Alertmanagers
	ExternalLabels labels.Labels     // on every alert that lacks them
	Relabel        []*relabel.Config // of alerts, once the external labels are on them
	ExternalURL    *url.URL          // links of alerts lead there; nil for none

	ResendDelay time.Duration // after which an alert that goes on is told again
	MaxAge      time.Duration // evaluations that are older are not told any more
	Version     string        // as user agent
}

// Defaults that a user sees.
const (
	DefaultResendDelay = time.Minute
	DefaultMaxAge      = 10 * time.Minute
)

// Alertmanagers is some that are reached in one way, as an entry of `alertmanagers` in
// prometheus.yml.
type Alertmanagers struct {
	HTTP       config.HTTPClientConfig `yaml:",inline"`
	Scheme     string                  `yaml:"scheme"`
	PathPrefix string                  `yaml:"path_prefix"`
	Timeout    model.Duration          `yaml:"timeout"`
	APIVersion string                  `yaml:"api_version"`
	Static     []Static                `yaml:"static_configs"`
	DNS        []DNS                   `yaml:"dns_sd_configs"`
}

// Static is addresses, host:port each. Labels are taken and mean nothing here.
type Static struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// DNS is names that are resolved to addresses again and again.
type DNS struct {
	Names   []string       `yaml:"names"`
	Type    string         `yaml:"type"` // SRV, A or AAAA
	Port    int            `yaml:"port"` // but for SRV
	Refresh model.Duration `yaml:"refresh_interval"`
}

// At is Alertmanagers at URLs, as http://user:password@host:9093/prefix.
func At(urls []string) ([]Alertmanagers, error) {
	var out []Alertmanagers
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("%q is not the URL of an Alertmanager, such as http://localhost:9093", redacted(text))
		}
		am := Alertmanagers{HTTP: config.DefaultHTTPClientConfig, Scheme: u.Scheme, PathPrefix: u.Path, Static: []Static{{Targets: []string{u.Host}}}}
		if u.User != nil {
			password, _ := u.User.Password()
			am.HTTP.BasicAuth = &config.BasicAuth{Username: u.User.Username(), Password: config.Secret(password)}
		}
		out = append(out, am)
	}
	return out, nil
}

// redacted is a URL without its password, for messages.
func redacted(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return "..." + text[at:]
	}
	return text
}

// prometheusFile is what is read of a prometheus.yml. All else in it is somebody else's.
type prometheusFile struct {
	Global struct {
		ExternalLabels map[string]string `yaml:"external_labels"`
	} `yaml:"global"`
	Alerting yaml.Node `yaml:"alerting"`
}

// alerting is the section of that name.
type alerting struct {
	Relabel       []*relabel.Config `yaml:"alert_relabel_configs"`
	Alertmanagers []yaml.Node       `yaml:"alertmanagers"`
}

// Read adds what a file in the form of prometheus.yml says of alerting: the section
// `alerting`, and external labels. Paths in it are relative to the file.
func (c *Config) Read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file prometheusFile
	if err := yaml.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.ExternalLabels = labels.FromMap(file.Global.ExternalLabels)
	var section alerting
	if err := strictly(&file.Alerting, &section); err != nil {
		return fmt.Errorf("%s: alerting: %w", path, err)
	}
	for i, r := range section.Relabel {
		if r == nil {
			return fmt.Errorf("%s: alerting: alert_relabel_configs: item %d is empty", path, i+1)
		}
		if err := r.Validate(model.UTF8Validation); err != nil {
			return fmt.Errorf("%s: alerting: alert_relabel_configs: %w", path, err)
		}
	}
	c.Relabel = section.Relabel
	for i := range section.Alertmanagers {
		am := Alertmanagers{HTTP: config.DefaultHTTPClientConfig}
		if err := strictly(&section.Alertmanagers[i], &am); err != nil {
			return fmt.Errorf("%s:%d: alertmanagers: %w", path, section.Alertmanagers[i].Line, err)
		}
		am.HTTP.SetDirectory(filepath.Dir(path))
		if err := am.check(); err != nil {
			return fmt.Errorf("%s:%d: alertmanagers: %w", path, section.Alertmanagers[i].Line, err)
		}
		c.Alertmanagers = append(c.Alertmanagers, am)
	}
	return nil
}

// strictly decodes a node, and refuses keys that are not built, which would otherwise
// be ignored.
func strictly(n *yaml.Node, into any) error {
	if n.IsZero() {
		return nil
	}
	text, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err = dec.Decode(into)
	var unknown *yaml.TypeError
	if errors.As(err, &unknown) {
		lines := make([]string, len(unknown.Errors))
		for i, line := range unknown.Errors {
			_, text, _ := strings.Cut(line, ": ") // its line is of the section and not of the file
			text, _, _ = strings.Cut(text, " not found in type")
			lines[i] = strings.Replace(text, "field ", "is not built: ", 1)
		}
		return errors.New(strings.Join(lines, "; "))
	}
	return err
}

// check refuses what cannot be used, and fills what was left out.
func (a *Alertmanagers) check() error {
	if err := a.HTTP.Validate(); err != nil {
		return err
	}
	if a.APIVersion != "" && a.APIVersion != "v2" {
		return fmt.Errorf("api_version is %q: only v2 is there", a.APIVersion)
	}
	if a.Scheme != "" && a.Scheme != "http" && a.Scheme != "https" {
		return fmt.Errorf("scheme is %q: want http or https", a.Scheme)
	}
	for _, s := range a.Static {
		for _, t := range s.Targets {
			if strings.Contains(t, "/") || t == "" {
				return fmt.Errorf("target %q is not host:port; scheme and path_prefix are keys of their own", t)
			}
		}
	}
	for i := range a.DNS {
		d := &a.DNS[i]
		switch d.Type = strings.ToUpper(d.Type); {
		case len(d.Names) == 0:
			return errors.New("dns_sd_configs: names are missing")
		case d.Type == "":
			d.Type = "SRV"
		case d.Type != "SRV" && d.Type != "A" && d.Type != "AAAA":
			return fmt.Errorf("dns_sd_configs: type is %q: want SRV, A or AAAA", d.Type)
		case d.Type != "SRV" && d.Port == 0:
			return errors.New("dns_sd_configs: a port is needed for all types but SRV")
		}
		if d.Refresh == 0 {
			d.Refresh = model.Duration(30 * time.Second)
		}
	}
	return nil
}
