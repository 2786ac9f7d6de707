<?php // SPDX-License-Identifier: MIT
echo "hello from php-fpm\n";
