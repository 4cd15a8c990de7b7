package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"buzon/internal/channel"
	"buzon/internal/desk"
	"buzon/internal/fault"
	"buzon/internal/store"
)

// withdrawTime is how long a call that failed may take to remove what it kept.
const withdrawTime = 5 * time.Second

// errDamaged: what is kept cannot be read. The decoder's error could quote it.
var errDamaged = errors.New("not readable")

// credentials reads what is kept of a channel's; nothing if there are none.
func (c *call) credentials(v desk.Channel) (channel.Credentials, error) {
	var creds channel.Credentials
	text, _, err := c.company.ReadCredentials(c.ctx(), v, c.Secrets.Fresh)
	if errors.Is(err, fault.NotFound) {
		return creds, nil
	}
	if err == nil && json.Unmarshal([]byte(text), &creds) != nil {
		creds, err = channel.Credentials{}, errDamaged
	}
	if err != nil {
		return creds, fmt.Errorf("channel %s: credentials: %w", v.ID, err)
	}
	return creds, nil
}

// publish gives a channel other credentials, or none, by write, which writes its row v
// with the operations that it is given. They are kept under a name of their own before,
// and the old ones are there until removeCredentials: at no time does a row lead to
// nothing, and where write refuses, nothing has changed. A reader who still has the old
// row then reads it anew (see [store.Company.ReadCredentials]). What a call that breaks
// off leaves is listed (see [store.Strays]), and removed by the next.
func (c *call) publish(was desk.Channel, v *desk.Channel, creds channel.Credentials, write func(store.Also) error) error {
	noted, err := c.sweep(v.ID)
	if err != nil {
		return err
	}
	v.Credentials, v.MetaApp = "", ""
	if creds != (channel.Credentials{}) {
		if noted, err = c.keepCredentials(v, creds, noted); err != nil {
			return err
		}
	}
	left := noted.With(was.Credentials, c.now())
	if v.Credentials != "" {
		left = left.Without(v.Credentials)
	}
	if err := write(c.company.KeepStrays(v.ID, left)); err != nil {
		c.withdraw(*v, noted)
		return err
	}
	return nil
}

// removeCredentials removes those that a row has led to before. They are listed: where
// that fails, the next call does it.
func (c *call) removeCredentials(was desk.Channel) error {
	if err := c.Secrets.Delete(c.ctx(), c.company.CredentialsName(was)); err != nil {
		return fmt.Errorf("channel %s: credentials: %w", was.ID, err)
	}
	return nil
}

// sweep removes what calls that broke off have left of a channel's credentials, and
// gives the list as it is then. A call that is about to publish begins anew.
func (c *call) sweep(id string) (store.Strays, error) {
	list, err := c.company.Strays(c.ctx(), id)
	if err != nil || len(list.Names) == 0 {
		return list, err
	}
	if list, err = c.company.SaveStrays(c.ctx(), id, list); err != nil {
		return list, err
	}
	for _, s := range list.Names {
		if err := c.removeCredentials(desk.Channel{ID: id, Credentials: s.Name}); err != nil {
			return list, err
		}
	}
	return list.Since(c.now()), nil
}

// keepCredentials keeps them under a new name, which it notes before, and writes into v
// what the row says of them.
func (c *call) keepCredentials(v *desk.Channel, creds channel.Credentials, list store.Strays) (store.Strays, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(creds); err != nil {
		return list, fmt.Errorf("channel %s: credentials: %w", v.ID, err)
	}
	v.Credentials = c.NewID()
	if v.Provider == desk.ProviderMeta {
		v.MetaApp = store.Hash(c.company.Tenant, "meta app", creds.AppSecret)
	}
	list, err := c.company.SaveStrays(c.ctx(), v.ID, list.With(v.Credentials, c.now()))
	if err != nil {
		return list, err
	}
	if err := c.Secrets.Put(c.ctx(), c.company.CredentialsName(*v), strings.TrimSpace(text.String())); err != nil {
		c.withdraw(*v, list)
		return list, fmt.Errorf("channel %s: credentials: %w", v.ID, err)
	}
	return list, nil
}

// withdraw removes the credentials of a row that was not written. If the list is as this
// call noted it, the row was not and never will be; if it is not, they are published
// after all, or somebody else's to remove.
func (c *call) withdraw(v desk.Channel, noted store.Strays) {
	if v.Credentials == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx()), withdrawTime)
	defer cancel()
	_, err := c.company.SaveStrays(ctx, v.ID, noted)
	if errors.Is(err, fault.Conflict) {
		return
	}
	if err == nil {
		err = c.Secrets.Delete(ctx, c.company.CredentialsName(v))
	}
	c.later("credentials not withdrawn", err)
}
