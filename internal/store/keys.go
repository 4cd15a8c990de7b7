package store

import (
	"fmt"
	"strings"
	"time"

	"buzon/internal/desk"
	"buzon/internal/table"
)

// The map of the table. Every key is made here; T# stands for "T#<tenant>".
//
//	item                PK                                 SK                    index PK             index SK
//	company             T#                                 TENANT
//	channel             T#…#CHANNEL#<id>                   CHANNEL               T#…#CHANNELS         <id>
//	channel's wait      T#…#CHANNEL#<id>                   WAIT
//	channel's sync      T#…#CHANNEL#<id>                   SYNC
//	its stray secrets   T#…#CHANNEL#<id>                   SECRETS
//	channel's open case T#…#CHANNEL#<id>                   CASE#<id>
//	channels of Meta's  T#…#ACCOUNT#<id>                   <channel id>
//	  account
//	template            T#…#TEMPLATES                      <id>                  (of all channels: read strongly and whole)
//	queue               T#…#QUEUE#<id>                     QUEUE                 T#…#QUEUES           <id>
//	campaign            T#…#CAMPAIGN#<id>                  CAMPAIGN              T#…#CAMPAIGNS        <id>
//	upload              T#…#UPLOAD#<id>                    UPLOAD
//	bot settings        T#…#CATALOGUE                      BOT
//	project …           T#…#CATALOGUE                      PROJECT#<id>, GROUP#, SERVICE#, CATEGORY#
//	… being deleted     T#…#CATALOGUE                      LEAVING#<kind>#<id>
//	conversation        T#…#CONV#<id>                      CONV                  T#…#CONVS#<state>    <since ms>#<id>
//	… of a contact      T#…#CONTACT#<id>                   CHANNEL#<channel id>
//	turn                T#…#CONV#<id>                      TURN#<hash of cause>  T#…#TURNS#<conv>     <at ms>#<made ms>
//	what became of it   T#…#CONV#<id>                      SENT#<hash of cause>
//	template sent       T#…#CONV#<id>                      MESSAGE#<hash of the provider's id>  (in each in which taps on it come)
//	receipt             T#…#RECEIPT#<channel>#<key>        RECEIPT, MESSAGE
//	enqueued            T#…#ENQUEUED#<hash of number>      <send id>
//	consent             T#…#CONSENT#<hash of person>       CONSENT
//	… to marketing      T#…#CONSENT#<hash of person>       MARKETING
//	form                T#…#FORM#<hash of secret>          FORM
//	tracking            T#…#TRACKING#<hash of secret>      TRACKING
//	case                T#…#CASE#<id>                      CASE                  T#…#CASES#<open>     <ms>#<id>
//	case event          T#…#CASE#<id>                      EVENT#<id>
//	reference           T#…#REFERENCE#<reference>          REFERENCE
//	client              T#…#CLIENT#<id>                    CLIENT                T#…#CLIENTS          <id>
//	specialist          T#…#SPECIALIST#<id>                SPECIALIST            T#…#SPECIALISTS      <id>
//	token               T#…#TOKEN#<id>                     TOKEN                 T#…#TOKENS#<spec>    <id>
//	unique name         T#…#UNIQUE#<kind>#<value>          UNIQUE
//	quarantined         T#…#QUARANTINED#<id>               QUARANTINED           T#…#QUARANTINE       <ms>#<id>
//	remembered answer   T#…#ONCE#<hash>                    ONCE
//	suspect record      SUSPECT#<queue>#<id>               SUSPECT               (of a queue, no tenant)
//	timer               CLOCK#<minute>#<shard>             <due ms>#<id>         (global: time has no tenant)
//	clock's cursor      CLOCK                              CURSOR

const turnPrefix = "TURN#"

func (c Company) pk(parts ...string) string {
	return "T#" + c.Tenant + "#" + strings.Join(parts, "#")
}

func (c Company) tenantKey() table.Key { return table.Key{PK: "T#" + c.Tenant, SK: "TENANT"} }
func (c Company) channelKey(id string) table.Key {
	return table.Key{PK: c.pk("CHANNEL", id), SK: "CHANNEL"}
}
func (c Company) waitKey(channel string) table.Key {
	return table.Key{PK: c.pk("CHANNEL", channel), SK: "WAIT"}
}
func (c Company) syncKey(channel string) table.Key {
	return table.Key{PK: c.pk("CHANNEL", channel), SK: "SYNC"}
}

func (c Company) straysKey(channel string) table.Key {
	return table.Key{PK: c.pk("CHANNEL", channel), SK: "SECRETS"}
}

const interactionPrefix = "CASE#"

func (c Company) interactionKey(channel, id string) table.Key {
	return table.Key{PK: c.pk("CHANNEL", channel), SK: interactionPrefix + id}
}
func (c Company) accountKey(account, channel string) table.Key {
	return table.Key{PK: c.pk("ACCOUNT", account), SK: channel}
}
func (c Company) queueKey(id string) table.Key { return table.Key{PK: c.pk("QUEUE", id), SK: "QUEUE"} }
func (c Company) campaignKey(id string) table.Key {
	return table.Key{PK: c.pk("CAMPAIGN", id), SK: "CAMPAIGN"}
}
func (c Company) uploadKey(id string) table.Key {
	return table.Key{PK: c.pk("UPLOAD", id), SK: "UPLOAD"}
}
func (c Company) templateKey(id string) table.Key {
	return table.Key{PK: c.templatesPK(), SK: id}
}
func (c Company) botKey() table.Key { return table.Key{PK: c.pk("CATALOGUE"), SK: "BOT"} }
func (c Company) catalogueKey(kind, id string) table.Key {
	return table.Key{PK: c.pk("CATALOGUE"), SK: kind + "#" + id}
}
func (c Company) leavingKey(kind, id string) table.Key {
	return table.Key{PK: c.pk("CATALOGUE"), SK: "LEAVING#" + kind + "#" + id}
}
func (c Company) conversationKey(id string) table.Key {
	return table.Key{PK: c.pk("CONV", id), SK: "CONV"}
}
func (c Company) contactKey(contact, channel string) table.Key {
	return table.Key{PK: c.pk("CONTACT", contact), SK: "CHANNEL#" + channel}
}
func (c Company) turnKey(conversation, id string) table.Key {
	return table.Key{PK: c.pk("CONV", conversation), SK: turnPrefix + id}
}
func turnIDIn(k table.Key) string { return strings.TrimPrefix(k.SK, turnPrefix) }
func (c Company) sentKey(conversation, turn string) table.Key {
	return table.Key{PK: c.pk("CONV", conversation), SK: "SENT#" + turn}
}
func (c Company) sentMessageKey(conversation, providerID string) table.Key {
	return table.Key{PK: c.pk("CONV", conversation), SK: "MESSAGE#" + Hash(providerID)}
}
func (c Company) receiptKey(channel, key string) table.Key {
	return table.Key{PK: c.pk("RECEIPT", channel, key), SK: "RECEIPT"}
}
func (c Company) messageOfKey(channel, key string) table.Key {
	return table.Key{PK: c.pk("RECEIPT", channel, key), SK: "MESSAGE"}
}
func (c Company) enqueuedPK(channel, destination string) string {
	return c.pk("ENQUEUED", Hash(channel, destination))
}
func (c Company) consentKey(channel, person string, scope desk.ConsentScope) table.Key {
	sk := "CONSENT"
	if scope != desk.ScopeAll {
		sk = strings.ToUpper(string(scope))
	}
	return table.Key{PK: c.pk("CONSENT", Hash(channel, person)), SK: sk}
}
func (c Company) formKey(hash string) table.Key { return table.Key{PK: c.pk("FORM", hash), SK: "FORM"} }
func (c Company) trackingKey(hash string) table.Key {
	return table.Key{PK: c.pk("TRACKING", hash), SK: "TRACKING"}
}
func (c Company) caseKey(id string) table.Key { return table.Key{PK: c.pk("CASE", id), SK: "CASE"} }
func (c Company) caseEventKey(id, event string) table.Key {
	return table.Key{PK: c.pk("CASE", id), SK: "EVENT#" + event}
}
func (c Company) referenceKey(ref string) table.Key {
	return table.Key{PK: c.pk("REFERENCE", ref), SK: "REFERENCE"}
}
func (c Company) clientKey(id string) table.Key {
	return table.Key{PK: c.pk("CLIENT", id), SK: "CLIENT"}
}
func (c Company) specialistKey(id string) table.Key {
	return table.Key{PK: c.pk("SPECIALIST", id), SK: "SPECIALIST"}
}
func (c Company) tokenKey(id string) table.Key { return table.Key{PK: c.pk("TOKEN", id), SK: "TOKEN"} }
func (c Company) uniqueKey(kind, value string) table.Key {
	return table.Key{PK: c.pk("UNIQUE", kind, value), SK: "UNIQUE"}
}
func (c Company) quarantinedKey(id string) table.Key {
	return table.Key{PK: c.pk("QUARANTINED", id), SK: "QUARANTINED"}
}
func (c Company) onceKey(hash string) table.Key { return table.Key{PK: c.pk("ONCE", hash), SK: "ONCE"} }

func suspectKey(queue, id string) table.Key {
	return table.Key{PK: "SUSPECT#" + queue + "#" + id, SK: "SUSPECT"}
}

// clockShards spread the timers of one minute over partitions.
const clockShards = 4

func clockPK(minute time.Time, shard int) string {
	return fmt.Sprintf("CLOCK#%s#%d", minute.UTC().Format("200601021504"), shard)
}

var cursorKey = table.Key{PK: "CLOCK", SK: "CURSOR"}

// MaxOutsideID is the longest part of an id from outside behind the company.
const MaxOutsideID = 64

// TenantOf gives the company that an id from outside names: "<tenant>-<rest>",
// rest 1 to MaxOutsideID of [0-9A-Za-z_-]; false, and no company, for another
// shape.
func TenantOf(id string) (string, bool) {
	tenant, rest, ok := strings.Cut(id, "-")
	if !ok || rest == "" || len(rest) > MaxOutsideID || !ValidTenant(tenant) {
		return "", false
	}
	for _, r := range rest {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return "", false
		}
	}
	return tenant, true
}

// MaxTenantID is the longest short id of a company.
const MaxTenantID = 16

// ValidTenant tells whether id can be a company's short id: 1 to 16 of [a-z0-9].
func ValidTenant(id string) bool {
	if id == "" || len(id) > MaxTenantID {
		return false
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

// OutsideID makes an id that carries the tenant.
func (c Company) OutsideID() string { return c.Tenant + "-" + c.NewID() }
