package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// weightGoals are the most that a function may weigh, in hellos (goal 1). Functions
// that answer HTTP may weigh more than those of the message path.
var weightGoals = map[string]float64{
	"webhook": 1.6, "inbound": 1.75, "outbound": 1.75, "api": 2.2, "portal": 2.2,
}

// weight is what a program's bootstrap weighs.
type weight struct {
	Program string         `json:"program"`
	Bytes   map[string]int `json:"bytes"` // by architecture
	Heavy   []string       `json:"heavy"` // the packages that weigh most
}

// measureWeight weighs every function against hello, both built in this run.
func measureWeight(ctx context.Context, b *bench) (section, error) {
	s := section{
		Name: "weight", Title: "bytes of each function's bootstrap against hello's (INIT takes about 1 ms for each MiB that is not in a cache)",
		Head: []string{"program", "bytes", "× hello", "goal", "packages that weigh most, KiB of code and data"},
	}
	archs := architectures()
	if b.quick {
		archs = archs[:1]
	}
	for _, a := range archs[1:] {
		s.Head = slices.Insert(s.Head, 3, a, "×")
	}
	weights := map[string]*weight{}
	for _, arch := range archs {
		folder, err := b.built(ctx, arch)
		if err != nil {
			return s, err
		}
		for _, name := range b.programs {
			info, err := os.Stat(bootstrap(folder, name))
			if err != nil {
				return s, err
			}
			if weights[name] == nil {
				weights[name] = &weight{Program: name, Bytes: map[string]int{}}
			}
			weights[name].Bytes[arch] = int(info.Size())
		}
	}
	var all []weight
	for _, name := range b.programs {
		w := weights[name]
		if !b.quick {
			var err error
			if w.Heavy, err = b.heaviest(ctx, name); err != nil {
				return s, err
			}
		}
		row := []string{name}
		for _, a := range archs {
			row = append(row, fmt.Sprint(w.Bytes[a]), short(w.times(weights[hello], a)))
		}
		limit, ok := weightGoals[name]
		if ok {
			s.Goals = append(s.Goals, atMost(1, name, w.times(weights[hello], archs[0]), limit, "× hello"))
		}
		row = append(row, map[bool]string{true: "≤ " + short(limit)}[ok], strings.Join(w.Heavy, "  "))
		s.Rows = append(s.Rows, row)
		all = append(all, *w)
	}
	s.Data = all
	return s, nil
}

func (w *weight) times(floor *weight, arch string) float64 {
	return float64(w.Bytes[arch]) / float64(floor.Bytes[arch])
}

// heavyPackages is how many packages are named.
const heavyPackages = 5

// heaviest names the packages whose code and data take most of a program, leaving
// out those that hello has as well.
func (b *bench) heaviest(ctx context.Context, name string) ([]string, error) {
	if b.floor == nil {
		floor, err := b.packages(ctx, hello)
		if err != nil {
			return nil, err
		}
		b.floor = floor
	}
	own, err := b.packages(ctx, name)
	if err != nil {
		return nil, err
	}
	for p, n := range b.floor {
		own[p] -= n
	}
	names := slices.SortedFunc(maps.Keys(own), func(x, y string) int { return cmp.Or(own[y]-own[x], strings.Compare(x, y)) })
	var out []string
	for _, p := range names[:min(heavyPackages, len(names))] {
		if own[p] < 1<<10 {
			break
		}
		short := strings.TrimPrefix(strings.TrimPrefix(p, "github.com/aws/aws-sdk-go-v2/"), "github.com/")
		out = append(out, fmt.Sprintf("%s %d", short, own[p]>>10))
	}
	return out, nil
}

// packages sums up the symbols of a program by package.
func (b *bench) packages(ctx context.Context, name string) (map[string]int, error) {
	folder := b.folder + "/symbols"
	if err := build(ctx, b.top, folder, architectures()[0], true, name); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(bootstrap(folder, name))
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	sizes := map[string]int{}
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || f.Sections[s.Section].Type == elf.SHT_NOBITS {
			continue // not in the file
		}
		if p := packageOf(s.Name); p != "" {
			sizes[p] += int(s.Size)
		}
	}
	return sizes, nil
}

// packageOf is the package of a symbol such as "net/http.(*Client).Do"; empty for
// what belongs to none.
func packageOf(symbol string) string {
	symbol = strings.TrimPrefix(strings.TrimPrefix(symbol, "type:.eq."), "go:itab.*")
	if strings.HasPrefix(symbol, "type:") || strings.HasPrefix(symbol, "go:") {
		return ""
	}
	if i := strings.IndexAny(symbol, "[(,"); i >= 0 {
		symbol = symbol[:i]
	}
	slash := strings.LastIndexByte(symbol, '/') + 1
	p, _, ok := strings.Cut(symbol[slash:], ".")
	if !ok {
		return ""
	}
	return symbol[:slash] + p
}
