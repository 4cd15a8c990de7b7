package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// newLine requests a channel for a company, by its admin's token, and approves it:
// a number that nobody else has, at a provider that knows it.
func (p *play) newLine(ctx context.Context, admin, provider string) (line, error) {
	l, err := p.requestLine(ctx, admin, provider)
	if err != nil {
		return l, err
	}
	return p.approveLine(ctx, l)
}

// requestLine requests a channel; what the provider will know of it is in the line.
func (p *play) requestLine(ctx context.Context, admin, provider string) (line, error) {
	p.lastLine++
	n := p.lastLine
	l := line{Admin: admin, Provider: provider, Identifier: fmt.Sprintf("1202557%04d", n), PhoneID: fmt.Sprintf("30000000%07d", n)}
	if provider == providerMeta {
		l.Account, l.Token = fmt.Sprintf("40000000%07d", n), fmt.Sprintf("EAAtoken%04d", n)
		l.Secret, l.Verify = fmt.Sprintf("app_secret_%021d", n), fmt.Sprintf("verify_%04d", n)
	} else {
		l.App, l.AppID, l.APIKey = fmt.Sprintf("Play%04d", n), fmt.Sprintf("33333333-0000-4000-8000-%012d", n), fmt.Sprintf("sk_play_%04d", n)
	}
	var v seenChannel
	in := object{"kind": "whatsapp", "provider": provider, "requester": object{"name": "Lucía Campos", "email": "lucia@example.com"}}
	if err := p.apiAs(ctx, admin, http.MethodPost, "/v1/channels", in, &v); err != nil {
		return l, err
	}
	if v.State != "pending" || v.WebhookURL == "" {
		return l, fmt.Errorf("requested: %+v", v)
	}
	l.ID, l.WebhookURL, l.CallbackURL = v.ID, v.WebhookURL, v.CallbackURL
	return l, nil
}

// credentials are what the provider gives for a line.
func (l line) credentials() object {
	if l.Provider == providerMeta {
		return object{
			"phone_number_id": l.PhoneID, "business_account_id": l.Account, "access_token": l.Token,
			"app_secret": l.Secret, "verify_token": l.Verify,
		}
	}
	return object{"app": l.App, "app_id": l.AppID, "api_key": l.APIKey, "phone_number_id": l.PhoneID}
}

// approveLine approves a request. In its name in lists of what was sent a number of
// Meta's has no app but its id.
func (p *play) approveLine(ctx context.Context, l line) (line, error) {
	if l.Provider == providerMeta {
		p.meta.know(l)
		l.App = l.PhoneID
	} else {
		p.gupshup.know(l)
	}
	var v seenChannel
	in := object{"identifier": l.Identifier, "credentials": l.credentials()}
	if err := p.apiAs(ctx, l.admin(p), http.MethodPost, "/v1/channels/"+l.ID+"/approval", in, &v); err != nil {
		return l, err
	}
	if v.State != "active" || v.Identifier != l.Identifier {
		return l, fmt.Errorf("approved: %+v", v)
	}
	return l, p.settled(ctx)
}

// account is what the provider keeps of a line.
func (p *play) account(l line) *account {
	if l.Provider == providerMeta {
		return p.meta.account(l.PhoneID)
	}
	return p.gupshup.account(l.App)
}

// notice is a request for a template that nothing is wrong with.
func notice(name string) object {
	return object{
		"name": name, "display_name": "Aviso", "language": "es", "category": "utility", "type": "text",
		"body": "Hola, {{1}}, su pedido {{2}} ya salió de la tienda.", "params": []string{"nombre", "pedido"},
	}
}

// request requests a template of a line and waits until the provider has it.
func (p *play) request(ctx context.Context, l line, in any) (seenTemplate, error) {
	var v seenTemplate
	if err := p.apiAs(ctx, l.admin(p), http.MethodPost, "/v1/channels/"+l.ID+"/templates", in, &v); err != nil {
		return v, err
	}
	return p.becomes(ctx, l, v.ID, "the provider has it", func(v seenTemplate) bool { return v.ProviderID != "" })
}

// approved requests a template and has the provider approve it.
func (p *play) approved(ctx context.Context, l line, in any) (seenTemplate, error) {
	v, err := p.request(ctx, l, in)
	if err != nil {
		return v, err
	}
	if err := p.judged(ctx, l, v, "approved", ""); err != nil {
		return v, err
	}
	return p.becomes(ctx, l, v.ID, "approved", func(v seenTemplate) bool { return v.Sendable })
}

// judged has the provider decide on a template: in its list, then by a callback.
func (p *play) judged(ctx context.Context, l line, v seenTemplate, state, reason string) error {
	p.account(l).becomes(v.ProviderID, state, reason)
	return p.verdict(ctx, l, v, state, time.Now())
}

// verdict posts a callback about a template, true or not.
func (p *play) verdict(ctx context.Context, l line, v seenTemplate, state string, at time.Time) error {
	if l.Provider == providerMeta {
		return p.deliver(ctx, l, metaVerdict(l, v, state))
	}
	return p.deliver(ctx, l, templateEvent(l, v.ProviderID, state, at))
}

// sync has the list of templates read and gives what came of it.
func (p *play) sync(ctx context.Context, l line) (seenSync, error) {
	before, err := p.channelOf(ctx, l)
	if err != nil {
		return seenSync{}, err
	}
	if err := p.apiAs(ctx, l.admin(p), http.MethodPost, "/v1/channels/"+l.ID+"/templates/sync", nil, nil); err != nil {
		return seenSync{}, err
	}
	return p.syncAfter(ctx, l, before.LastSync)
}

// syncAfter waits for a reading of the list after another.
func (p *play) syncAfter(ctx context.Context, l line, was *seenSync) (seenSync, error) {
	var got seenSync
	err := p.until(ctx, "the list is read", func() (bool, error) {
		v, err := p.channelOf(ctx, l)
		if err != nil || v.LastSync == nil || was != nil && !v.LastSync.At.After(was.At) {
			return false, err
		}
		got = *v.LastSync
		return true, nil
	})
	return got, err
}

// read waits for the first reading of the list, which the approval asks for.
func (p *play) listRead(ctx context.Context, l line) error {
	_, err := p.syncAfter(ctx, l, nil)
	return err
}
