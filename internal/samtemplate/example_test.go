package samtemplate_test

import (
	"fmt"
	"strings"

	"muster/internal/samtemplate"
)

const files = `
Resources:
  Read:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - {Effect: Allow, Action: "dynamodb:GetItem", Resource: !GetAtt Table.Arn,
             Condition: {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ORG#*#UPLOAD"]}}}
  GetFile:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .build/get-file
      Environment: {Variables: {MUSTER_TABLE: !Ref Table}}
      Events: {Http: {Type: HttpApi, Properties: {Method: GET, Path: "/files/{id}"}}}
      Policies:
        - !Ref Read
        - Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: !Sub "${Bucket.Arn}/uploads/*"}]
`

// A function is asked what it may do, and a template without one of its policies
// is asked the same.
func Example() {
	t, err := samtemplate.Parse([]byte(files))
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := t.Function("get-file")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.ID, f.Routes, f.Environment)
	for _, p := range f.Permissions() {
		fmt.Println(p.In, "allows", p)
	}
	read := samtemplate.Dynamo("GetItem", "ORG#018f5c3e-8a01-7c42-a1f0-66696c650001#UPLOAD")
	fmt.Println(read.Key, f.Allows(read))
	fmt.Println(f.Allows(samtemplate.Dynamo("GetItem", "ORGS")), f.Allows(samtemplate.S3("GetObject", "jobs/x")))

	f, err = t.Without(strings.Split("Resources/GetFile/Properties/Policies/0", "/")...).Function("get-file")
	fmt.Println(f.Allows(read), err)
	// Output:
	// GetFile [GET /files/{id}] map[MUSTER_TABLE:${Table}]
	// Read allows dynamodb:GetItem ${Table.Arn} ORG#*#UPLOAD
	// GetFile allows s3:GetObject ${Bucket.Arn}/uploads/*
	// ORG#*#UPLOAD true
	// false false
	// false <nil>
}
