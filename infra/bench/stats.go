package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is what was measured several times.
type sample []time.Duration

// quantile is the value below which a part q of the sample lies.
func (s sample) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) median() time.Duration { return s.quantile(0.5) }

// spread is where the middle half lies, in milliseconds.
func (s sample) spread() string {
	return fmt.Sprintf("%s–%s", ms(s.quantile(0.25)), ms(s.quantile(0.75)))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", millis(d)) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// against is the middle one of the ratios of each round: what slows the machine for
// a moment slows both programs of a round.
func (s sample) against(floor sample) float64 {
	ratios := make([]float64, min(len(s), len(floor)))
	for i := range ratios {
		ratios[i] = ratio(s[i], floor[i])
	}
	slices.Sort(ratios)
	if len(ratios) == 0 {
		return 0
	}
	return ratios[len(ratios)/2]
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
