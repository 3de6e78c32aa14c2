/* SPDX-License-Identifier: MIT
 * The dashboard's files, part of the program. Plain ES modules without a build step: index.html,
 * style.css and icon.svg, app.js (header, figures, signing in), calls.js and trunks.js (a table each),
 * client.js (the API), table.js (tables of text). */
#pragma once

#include "mgmt-api/http/http.h"

/* Ends at a path of NULL. */
extern const struct http_file ui_files[];
