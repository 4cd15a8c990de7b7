package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// deployed is how template.yaml runs a function.
type deployed struct {
	env    []string // what changes how fast it is; the rest the stand-in gives
	memory int      // MB
}

// quickening are the settings that change how fast a program is.
var quickening = []string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}

// properties are those of a function, or of all.
type properties struct {
	MemorySize  int `yaml:"MemorySize"`
	Environment struct {
		Variables map[string]yaml.Node `yaml:"Variables"`
	} `yaml:"Environment"`
}

// readTemplate gives how each function is deployed, by its folder's name.
func readTemplate(top string) (map[string]deployed, error) {
	raw, err := os.ReadFile(filepath.Join(top, "template.yaml"))
	if err != nil {
		return nil, err
	}
	var t struct {
		Globals struct {
			Function properties `yaml:"Function"`
		} `yaml:"Globals"`
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &t); err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	all := map[string]deployed{}
	for id, r := range t.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		var own properties
		if err := r.Properties.Decode(&own); err != nil {
			return nil, fmt.Errorf("template.yaml: %s: %w", id, err)
		}
		d := deployed{memory: t.Globals.Function.MemorySize}
		if own.MemorySize > 0 {
			d.memory = own.MemorySize
		}
		set := map[string]string{}
		for _, p := range []properties{t.Globals.Function, own} {
			for name, v := range p.Environment.Variables {
				set[name] = v.Value
			}
		}
		for _, name := range quickening {
			if v := set[name]; v != "" {
				d.env = append(d.env, name+"="+v)
			}
		}
		slices.Sort(d.env)
		all[strings.ToLower(strings.TrimSuffix(id, "Function"))] = d
	}
	return all, nil
}
