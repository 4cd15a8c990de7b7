// Package atomicfile writes small files so that a reader, or whoever starts
// after a crash, sees the old content or the new one and nothing between.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write puts data under path, readable by the owner alone (mode 0600). When it
// returns nil the file is durable; after an error the old file is still there.
func Write(path string, data []byte) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("file %s: %w", path, err)
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("file %s: %w", path, err), os.Remove(temp.Name()))
	}
	return syncFolder(folder)
}

// syncFolder makes a new name durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("folder %s: %w", path, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("folder %s: %w", path, err)
	}
	return nil
}
