package main

import "muster/internal/openapi"

type openapiPrint struct{}

func (openapiPrint) Run(e *env) error {
	_, err := e.out.Write(openapi.Document())
	return err
}
