package simulator

import (
	"runtime"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzStandIn: whatever stands in a form, the stand-in keeps valid JSON or says
// what is wrong, quickly and in memory that the form bounds.
func FuzzStandIn(f *testing.F) {
	for _, seed := range []string{
		`{"type":"text","text":"Hola"}`, listMessage(10, "Fila", "Detalle"), buttonMessage(3, "?", "Sí"),
		`{"type":"image","originalUrl":"https://x.example","caption":null}`, `{"type":"location","longitude":1e999,"latitude":"2"}`,
		`{"id":"t-1","params":["a"]}`, `{"id":1}`, `{"params":null}`, "", "null", "[]", "{", "\xff", `{"type":"list","items":null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message string) {
		began := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for field, read := range map[string]func(map[string][]string) ([]byte, string){
			"message":  func(form map[string][]string) ([]byte, string) { return sessionMessage(form) },
			"template": func(form map[string][]string) ([]byte, string) { return templateMessage(form) },
		} {
			raw, problem := read(map[string][]string{field: {message}})
			if problem == "" && (len(raw) == 0 || !utf8.Valid(raw)) {
				t.Errorf("%s %q is kept as %q", field, message, raw)
			}
			e := Entry{ID: "x", Message: raw}
			if problem == "" {
				if tap := findTap(e, "row_0"); tap != nil && tap.index < 1 {
					t.Errorf("tap %+v", tap)
				}
			}
		}
		runtime.ReadMemStats(&after)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%d bytes took %s", len(message), took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+200*uint64(len(message)) {
			t.Errorf("%d bytes took %d bytes of memory", len(message), used)
		}
	})
}
