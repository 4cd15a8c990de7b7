package dynamo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"buzon/internal/fault"
	"buzon/internal/table"
	"buzon/internal/table/dynamo"
	"buzon/internal/table/tabletest"
)

// engine gives a client of the engine that the environment names, and an empty
// table there that lasts as long as the test; ok is false without an engine.
func engine(t *testing.T) (client *sdk.Client, name string, ok bool) {
	t.Helper()
	address := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")
	if os.Getenv("BUZON_ENGINES") != "1" {
		t.Log("not run: BUZON_ENGINES is not 1 (see infra/engines)")
		return nil, "", false
	}
	if address == "" {
		t.Fatal("BUZON_ENGINES is 1 and AWS_ENDPOINT_URL_DYNAMODB is empty")
	}
	client = sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: &address,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		// DynamoDB Local sends none with its errors (aws-sdk-go-v2 issue 3545).
		DisableValidateResponseChecksum: true,
	})
	name = "buzon-test-" + strings.ToLower(rand.Text())
	if _, err := client.CreateTable(t.Context(), dynamo.Schema(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &sdk.DeleteTableInput{TableName: &name}); err != nil {
			t.Error(err)
		}
	})
	if err := sdk.NewTableExistsWaiter(client).Wait(t.Context(), &sdk.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpdateTimeToLive(t.Context(), dynamo.Broom(name)); err != nil {
		t.Fatal(err)
	}
	return client, name, true
}

func TestEngineSuite(t *testing.T) {
	client, name, ok := engine(t)
	if !ok {
		return
	}
	tabletest.Suite(t, func(*testing.T) table.Table { return dynamo.New(client, name) })
}

func TestEngineNamesWhatIsMissing(t *testing.T) {
	client, name, ok := engine(t)
	if !ok {
		return
	}
	bare := dynamo.Schema(name + "-bare")
	bare.GlobalSecondaryIndexes, bare.AttributeDefinitions = nil, bare.AttributeDefinitions[:2]
	if _, err := client.CreateTable(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &sdk.DeleteTableInput{TableName: bare.TableName}); err != nil {
			t.Error(err)
		}
	})
	_, noIndex := dynamo.New(client, *bare.TableName).Query(t.Context(), table.Q{PK: "p", Index: true})
	none := dynamo.New(client, name+"-none")
	_, noGet := none.Get(t.Context(), key("a"))
	noWrite := none.Write(t.Context(), table.Create(table.Item{Key: key("a"), Body: []byte(`{}`)}))
	noTransaction := none.Write(t.Context(), table.Check(key("a"), 0))
	for _, c := range []struct {
		err  error
		want string
	}{
		{noIndex, "index Index of table " + *bare.TableName},
		{noGet, "table " + name + "-none"}, {noWrite, "table " + name + "-none"}, {noTransaction, "table " + name + "-none"},
	} {
		var missing *fault.Missing
		if !errors.As(c.err, &missing) || missing.What != c.want {
			t.Errorf("error %v, want %q missing", c.err, c.want)
		}
	}
}
