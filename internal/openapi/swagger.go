package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Swagger is the document as Swagger 2.0, for clients that know of bodies and forms
// only what that says of them: Torii's command line sends a file only where an
// operation "consumes" a form, which OpenAPI 3 has no word for. What 2.0 cannot say
// (null beside a type, one of several types) is left out, or becomes an extension.
func Swagger() ([]byte, error) {
	var doc object
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("swagger document: %w", err)
	}
	components := doc.object("components")
	swagger := object{
		"swagger": "2.0", "info": doc["info"], "tags": doc["tags"], "basePath": "/",
		"consumes": []string{jsonType}, "produces": []string{jsonType},
		"securityDefinitions": keys(components.object("securitySchemes")),
		"definitions":         each(components.object("schemas"), schemaOf),
		"paths":               each(doc.object("paths"), func(methods object) object { return each(methods, operationOf) }),
	}
	b, err := json.Marshal(swagger)
	if err != nil {
		return nil, fmt.Errorf("swagger document: %w", err)
	}
	return b, nil
}

const (
	jsonType = "application/json"
	formType = "multipart/form-data"
)

type object map[string]any

func (o *object) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*map[string]any)(o)) }

// object is a member that is one; empty where there is none.
func (o object) object(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

// move takes the named members that o has to to.
func (o object) move(to object, names ...string) {
	for _, name := range names {
		if v, ok := o[name]; ok {
			to[name] = v
		}
	}
}

func each(o object, f func(object) object) object {
	out := object{}
	for name := range o {
		out[name] = f(o.object(name))
	}
	return out
}

// keys: 2.0 has no bearer tokens, only a header with a value.
func keys(schemes object) object {
	return each(schemes, func(s object) object {
		return object{"type": "apiKey", "in": "header", "name": "Authorization", "description": fmt.Sprint("Bearer <key>. ", s["description"])}
	})
}

func operationOf(o object) object {
	out := object{}
	for name, v := range o {
		if strings.HasPrefix(name, "x-") {
			out[name] = v
		}
	}
	o.move(out, "operationId", "tags", "summary", "description", "security", "deprecated")
	params := []object{}
	list, _ := o["parameters"].([]any)
	for _, p := range list {
		params = append(params, parameterOf(p.(map[string]any)))
	}
	body := o.object("requestBody")
	content := body.object("content")
	if form := content.object(formType); form != nil {
		out["consumes"] = []string{formType}
		params = append(params, fieldsOf(form.object("schema"))...)
	} else if media := content.object(jsonType); media != nil {
		params = append(params, object{
			"in": "body", "name": "body", "required": body["required"] == true, "schema": schemaOf(media.object("schema")),
		})
	}
	out["parameters"] = params
	out["responses"] = each(o.object("responses"), responseOf)
	return out
}

func parameterOf(p object) object {
	out := valueOf(p.object("schema"))
	p.move(out, "name", "in", "required", "description")
	return out
}

// fieldsOf are the fields of a form, as parameters.
func fieldsOf(form object) []object {
	required, _ := form["required"].([]any)
	properties := form.object("properties")
	var fields []object
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		field := valueOf(properties.object(name))
		if field["format"] == "binary" {
			field = object{"type": "file", "description": field["description"]}
		}
		field["in"], field["name"], field["required"] = "formData", name, slices.Contains(required, any(name))
		fields = append(fields, field)
	}
	return fields
}

func responseOf(r object) object {
	out := object{}
	r.move(out, "description")
	if headers := r.object("headers"); headers != nil {
		out["headers"] = each(headers, func(h object) object {
			header := valueOf(h.object("schema"))
			h.move(header, "description")
			return header
		})
	}
	if media := r.object("content").object(jsonType); media != nil {
		out["schema"] = schemaOf(media.object("schema"))
		if example, ok := media["example"]; ok {
			out["examples"] = object{jsonType: example}
		}
	}
	return out
}

// valueOf is the schema of what is no body: 2.0 has it beside the name.
func valueOf(s object) object {
	out := schemaOf(s)
	for _, name := range []string{"example", "x-nullable"} {
		delete(out, name)
	}
	if out["type"] == nil {
		out["type"] = "string"
	}
	return out
}

func schemaOf(s object) object {
	if ref, ok := s["$ref"].(string); ok {
		return object{"$ref": strings.Replace(ref, "#/components/schemas/", "#/definitions/", 1)}
	}
	out := object{}
	s.move(out, "type", "title", "description", "format", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern",
		"minItems", "maxItems", "uniqueItems", "required", "minProperties", "maxProperties", "readOnly", "additionalProperties")
	if types, ok := s["type"].([]any); ok {
		out["type"], out["x-nullable"] = types[0], true
	}
	if examples, ok := s["examples"].([]any); ok {
		out["example"] = examples[0]
	}
	if more := s.object("additionalProperties"); more != nil {
		out["additionalProperties"] = schemaOf(more)
	}
	if properties := s.object("properties"); properties != nil {
		out["properties"] = each(properties, schemaOf)
	}
	if items := s.object("items"); items != nil {
		out["items"] = schemaOf(items)
	}
	return out
}
