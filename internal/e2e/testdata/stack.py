"""Brings template.yaml up as a stack in moto, and prints what is there.

stack.py TEMPLATE ENDPOINT STACK PARAMETERS: SAM's own translator makes the template
CloudFormation's; moto makes the stack. The answers of its services are printed as
JSON, by service and logical id, beside the translated template.
"""
import io
import json
import os
import sys
import zipfile

import boto3
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

template, endpoint, stack, parameters = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])

region = os.environ["AWS_DEFAULT_REGION"] = "eu-north-1"  # the translator, too, wants to know


def client(service):
    return boto3.client(service, endpoint_url=endpoint, region_name=region, aws_access_key_id="x", aws_secret_access_key="x")


def package():
    """One archive for all functions: moto keeps it, and runs none."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("bootstrap", "")
    client("s3").create_bucket(Bucket=stack + "-code", CreateBucketConfiguration={"LocationConstraint": region})
    client("s3").put_object(Bucket=stack + "-code", Key="code.zip", Body=archive.getvalue())


class ManagedPolicies:
    """Those of AWS by name: the template names none."""

    def load(self):
        return {}


def translated():
    with open(template) as f:
        sam = yaml_parse(f)
    for resource in sam["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{stack}-code/code.zip"
    return transform(sam, dict(parameters), ManagedPolicies())


def create(body):
    cloudformation = client("cloudformation")
    client("s3").put_object(Bucket=stack + "-code", Key="template.json", Body=json.dumps(body))
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"https://s3.amazonaws.com/{stack}-code/template.json",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {r["LogicalResourceId"]: r for page in pages for r in page["StackResourceSummaries"]}


def look(resources):
    """What moto's services answer. What it knows nothing of, the test reads in the translated template."""
    ids = {name: r["PhysicalResourceId"] for name, r in resources.items()}
    functions = [n for n, r in resources.items() if r["ResourceType"] == "AWS::Lambda::Function"]
    lambda_ = client("lambda")
    return {
        "Table": client("dynamodb").describe_table(TableName=ids["Table"])["Table"],
        "Encryption": client("s3").get_bucket_encryption(Bucket=ids["Bucket"])["ServerSideEncryptionConfiguration"],
        "Queue": client("sqs").get_queue_attributes(QueueUrl=ids["DeadLetters"], AttributeNames=["All"])["Attributes"],
        "LogGroups": client("logs").describe_log_groups(logGroupNamePrefix=ids["Logs"])["logGroups"],
        "Functions": {n: lambda_.get_function(FunctionName=ids[n])["Configuration"] for n in functions},
    }


package()
body = translated()
resources = create(body)
json.dump({"Translated": body, "There": look(resources)}, sys.stdout, default=str)
