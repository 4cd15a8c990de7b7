package dynamo

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Schema describes an empty table of the shape that [Table] works on, billed on
// demand, for an engine on this machine. On AWS the template alone makes the
// table, with what an engine has no use for: recovery, protection, encryption.
func Schema(name string) *sdk.CreateTableInput {
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(pk, sk string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: &pk, KeyType: types.KeyTypeHash},
			{AttributeName: &sk, KeyType: types.KeyTypeRange},
		}
	}
	return &sdk.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("PK"), attribute("SK"), attribute("IndexPK"), attribute("IndexSK"),
		},
		KeySchema: keys("PK", "SK"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  aws.String(indexName),
			KeySchema:  keys("IndexPK", "IndexSK"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	}
}

// Broom asks for the broom (TTL) on a table of [Schema], which is asked for
// apart from the table, once it is there.
func Broom(name string) *sdk.UpdateTimeToLiveInput {
	return &sdk.UpdateTimeToLiveInput{
		TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String("Expires"), Enabled: aws.Bool(true),
		},
	}
}
