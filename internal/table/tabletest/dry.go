package tabletest

import (
	"context"

	"buzon/internal/table"
)

// Dry is a table that calls every write good and makes none.
type Dry struct{ table.Table }

// Write implements [table.Table].
func (Dry) Write(context.Context, ...table.Op) error { return nil }
